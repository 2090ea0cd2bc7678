"""Requests to add money in the admin: an operator confirms one with the bank's reference, or
declines it with a reason.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.timesince import timesince
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from approvals.domain.operations import ConfirmDeposit
from console.amounts import shown
from console.balances import expected_balances, posted_balances
from console.outcomes import asked_instead, outcome_of
from console.pages import amount_column, object_link
from console.panels import Panel, entries_panel
from console.postings import PostedForm, details_for
from console.questions import Done, Question, ReasonForm, ask
from merchants.domain import MerchantIdentity
from merchants.selectors import identify_now, known_currency
from transfers.admin.journal import JournalAdmin
from transfers.admin.list_bars import DEPOSIT_REQUEST_COLUMNS, DepositRequestBar
from transfers.domain.commands import Deposit, Details
from transfers.domain.deposit_requests import LONGEST_REFERENCE, DepositRequestStatus
from transfers.domain.outcome import required
from transfers.models import DepositRequest
from transfers.services.deposit_requests import confirm_deposit, decline_deposit

_COLOURS = {"pending": "warning", "confirmed": "success", "declined": "danger"}


class ConfirmationForm(ReasonForm):
    """The bank's reference. A note is optional: the reference says why."""

    bank_reference = forms.CharField(
        max_length=LONGEST_REFERENCE,
        widget=UnfoldAdminTextInputWidget(),
        label="The bank's reference",
        help_text="As the bank's statement shows it. It becomes the deposit's external reference, and can be used once.",
    )
    reason = forms.CharField(
        required=False, max_length=400, widget=UnfoldAdminTextInputWidget(), label="Note", help_text="Optional. Kept with the change."
    )
    field_order = ("bank_reference", "reason")

    def clean_reason(self) -> str:
        """Return the note, or that there is none: the record of the change ends with it."""
        note: str = self.cleaned_data["reason"]
        return note or "no note"


@admin.register(DepositRequest)
class DepositRequestAdmin(JournalAdmin):
    """Requests of members to add money: what they say that comes, and what operators decided."""

    list_display = ("id", "state", "merchant", "amount", "age", "principal")
    list_filter = (DepositRequestBar,)
    exported = DEPOSIT_REQUEST_COLUMNS
    list_select_related = ("merchant", "currency")
    search_help_text = "Request id, the bank's whole reference, or the whole name of a merchant."
    ordering = ("-id",)
    fields = (
        "id", "state", "merchant_link", "amount", "memo", "principal", "created_at", "bank_reference", "transfer_link", "decided_by",
        "decided_at", "reason",
    )  # fmt: skip
    readonly_fields = fields
    amount = amount_column("amount_minor", "Amount")
    actions_detail = ("confirm_action", "decline_action")

    def text_search(self, text: str) -> Q:
        """Find by the bank's reference, and the requests of the merchant of that name."""
        merchant = identify_now(names=[text]).merchant(text)
        return Q(bank_reference=text) | (Q(merchant_id=merchant.id) if merchant else Q(id=None))

    @display(description="Status", label=_COLOURS)
    def state(self, obj: DepositRequest) -> str:
        """Return the status."""
        return obj.status

    @display(description="Age")
    def age(self, obj: DepositRequest) -> str:
        """Return how long ago it was made."""
        return timesince(obj.created_at, depth=1)

    @display(description="Merchant")
    def merchant_link(self, obj: DepositRequest) -> str:
        """Return the merchant, as a link."""
        return object_link("merchants_merchant", obj.merchant_id, obj.merchant.name)

    @display(description="Deposit")
    def transfer_link(self, obj: DepositRequest) -> str:
        """Return the deposit, as a link."""
        return object_link("transfers_transfer", obj.transfer_id, str(obj.transfer_id)) if obj.transfer_id else "-"

    def panels(self, request: HttpRequest, obj: DepositRequest) -> list[Panel]:
        """Return the entries of the deposit, if there is one."""
        del request
        return [entries_panel(obj.transfer_id)] if obj.transfer_id else []

    def has_decide_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whether the user may confirm and decline."""
        del object_id
        return request.user.has_perm("transfers.decide_depositrequest")

    def possible_actions(self, obj: DepositRequest) -> Collection[str]:
        """Offer to decide what waits."""
        return {"confirm_action", "decline_action"} if obj.status == DepositRequestStatus.PENDING else ()

    @action(description="Confirm", url_path="confirm", permissions=["decide"])
    def confirm_action(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Post the deposit with the bank's reference."""
        waiting: DepositRequest = self.wanted_object(request, object_id)

        def perform(values: dict[str, Any]) -> Done:
            asked = asked_instead(request, _confirmation(waiting, values["bank_reference"]), values)
            if asked is not None:
                return asked
            details = details_for(request, "")
            decision = confirm_deposit(
                waiting.id, values["bank_reference"], principal=details.principal, http_request_id=details.request_id
            )
            made = required(decision.transfer_id)
            did = f"Confirmed with {values['bank_reference']}: {self.amount(waiting)} by {made}"
            return outcome_of(PostedForm(made, decision.is_repeat), lambda _made: Done(did, numbers=posted_balances(made)))

        explanation = f"{waiting.merchant.name} says that {self.amount(waiting)} comes by bank. Confirm it when the money is there."
        if waiting.memo:
            explanation += f" Its memo: “{waiting.memo}”."
        question = Question(
            "Confirm this money",
            explanation,
            perform,
            ConfirmationForm,
            is_posting=True,
            operation=lambda values: _confirmation(waiting, values["bank_reference"]),
            understood=lambda values: _understood(waiting, values),
            state=lambda values: _balance(waiting, values),
        )
        return ask(self, request, waiting, question, reverse("admin:transfers_depositrequest_change", args=[object_id]))

    @action(description="Decline", url_path="decline", permissions=["decide"])
    def decline_action(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Decline with a reason, which the member reads."""
        waiting: DepositRequest = self.wanted_object(request, object_id)

        def perform(values: dict[str, Any]) -> Done:
            decision = decline_deposit(waiting.id, values["reason"], principal=details_for(request, "").principal)
            return Done("Declined", decision.is_repeat)

        explanation = f"{waiting.merchant.name} asked to add {self.amount(waiting)}. Nothing is posted, for good; it reads your reason."
        question = Question("Decline this request", explanation, perform, is_posting=True)
        return ask(self, request, waiting, question, reverse("admin:transfers_depositrequest_change", args=[object_id]))


def _understood(waiting: DepositRequest, values: Mapping[str, Any]) -> str:
    """Return in words and numbers what a confirmation would post."""
    unit = known_currency(waiting.currency_id)
    reference = values.get("bank_reference")
    named = f"the external reference {reference}" if reference else "no reference yet"
    wallet = f"the {unit.code} wallet of {waiting.merchant.name}"
    return f"a deposit of {shown(waiting.amount_minor, unit)} from outside to {wallet}, without a fee, with {named}."


def _confirmation(waiting: DepositRequest, reference: str) -> ConfirmDeposit:
    """Return the confirmation as it would wait for a second person."""
    merchant = MerchantIdentity(waiting.merchant_id, waiting.merchant.name)
    return ConfirmDeposit(waiting.id, reference, merchant, known_currency(waiting.currency_id), waiting.amount_minor)


def _balance(waiting: DepositRequest, values: Mapping[str, Any]) -> str:
    """Return what the merchant has now, and would have after a confirmation."""
    merchant, unit = MerchantIdentity(waiting.merchant_id, waiting.merchant.name), known_currency(waiting.currency_id)
    details = Details(external_reference=values.get("bank_reference"))
    return expected_balances(Deposit(merchant, unit, waiting.amount_minor, details))
