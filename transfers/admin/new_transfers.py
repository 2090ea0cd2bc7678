"""Transfers between merchants by operators: a page that the list of transfers leads to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import action

from console.amounts import shown
from console.balances import expected_balances, posted_balances
from console.merchant_fields import MerchantField
from console.outcomes import Done, posting
from console.posting_forms import CurrencyField, PostingForm, amount_field, typed_amount
from console.postings import details_for
from console.questions import Question, ask
from ledger_project.kernel.money import CurrencyUnit
from ledger_project.kernel.refusals import Refusal
from merchants.domain import MerchantIdentity
from merchants.models import Merchant
from transfers.admin.journal import JournalAdmin
from transfers.domain.commands import TransferFunds
from transfers.domain.outcome import required
from transfers.services.quotes import Quote, quote_now


class NewTransferForm(PostingForm):
    """Who pays whom, and how much."""

    source = MerchantField(label="From")
    target = MerchantField(label="To")
    currency = CurrencyField()
    amount = amount_field(help_text="As in 1,050.00 or 1050.00, without the fee.")
    field_order = ("source", "target", "currency", "amount", "reason")

    def clean_amount(self) -> int | None:
        """Return the amount in minor units; None without a currency, which is wrong then."""
        unit: CurrencyUnit | None = self.cleaned_data.get("currency")
        return None if unit is None else typed_amount(self.cleaned_data["amount"], unit)

    def clean_target(self) -> MerchantIdentity:
        """Return the receiver, who is not the payer."""
        target: MerchantIdentity = self.cleaned_data["target"]
        if target == self.cleaned_data.get("source"):
            raise forms.ValidationError("This is the payer; another merchant is expected.")
        return target


class NewTransferAdmin(JournalAdmin):
    """An admin of transfers with the page that makes one."""

    actions_list = ("make_action",)

    def has_make_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whether the user may transfer money between merchants."""
        del object_id
        return request.user.has_perm("transfers.make_transfer")

    @action(description="New transfer", url_path="make", permissions=["make"])
    def make_action(self, request: HttpRequest) -> HttpResponse:
        """Move money from one merchant to another, with the fee that applies."""
        return ask(self, request, None, transfer_question(request), reverse("admin:transfers_transfer_changelist"))


def transfer_question(request: HttpRequest) -> Question:
    """Return the question before a transfer.

    The address may name the payer, the receiver and the currency: ``from``, ``to``, ``currency``.
    """

    def command(values: dict[str, Any]) -> TransferFunds:
        return TransferFunds(
            values["source"], values["target"], values["currency"], values["amount"], details_for(request, values["reason"])
        )

    def told(transfer_id: UUID | None, values: dict[str, Any]) -> Done:
        made = required(transfer_id)
        page = reverse("admin:transfers_transfer_change", args=[made])
        return Done(f"{_record(values)}{made}", numbers=posted_balances(made), page=page)

    return Question(
        "Transfer between merchants",
        "The payer pays as for a transfer of its own. Money that was sent by mistake is better reversed, on the page of its transfer.",
        posting(request, command, told),
        NewTransferForm,
        is_posting=True,
        operation=command,
        understood=_understood,
        state=lambda values: expected_balances(command({"reason": "", **values})) if isinstance(_quoted(values), Quote) else "",
        repeats=_record,
        about=lambda values: Merchant.objects.get(id=values["source"].id),
        initial={field: request.GET.get(name, "") for field, name in (("source", "from"), ("target", "to"), ("currency", "currency"))},
    )


def _record(values: Mapping[str, Any]) -> str:
    return f"Transferred {shown(values['amount'], values['currency'])} to {values['target'].name} by "


def _quoted(values: Mapping[str, Any]) -> Quote | Refusal | None:
    """Return what a transfer with these values would cost now, or its refusal.

    None for values that are not complete.
    """
    source, unit, amount_minor = values.get("source"), values.get("currency"), values.get("amount")
    if not isinstance(source, MerchantIdentity) or not isinstance(unit, CurrencyUnit) or amount_minor is None:
        return None
    try:
        return quote_now(source, unit, amount_minor)
    except Refusal as refusal:
        return refusal


def _understood(values: Mapping[str, Any]) -> str:
    """Return in words what a transfer with these values would do and cost."""
    quote = _quoted(values)
    if quote is None:
        return "Say who pays whom, and how much."
    if isinstance(quote, Refusal):
        return f"This will be refused. {quote}"
    source, target, unit = values["source"].name, values["target"].name, quote.currency
    words = f"{shown(quote.amount_minor, unit)} goes from {source} to {target}."
    if not quote.fee_minor:
        return f"{words} No fee is charged."
    by_sender = quote.total_debit_minor > quote.amount_minor
    version = f"version {quote.schedule.version} of the schedule in force"
    return (
        f"{words} The fee is {shown(quote.fee_minor, unit)} by {version}; {source if by_sender else target} pays it."
        f" {source} pays {shown(quote.total_debit_minor, unit)} in all, {target} gets {shown(quote.receiver_gets_minor, unit)}."
    )
