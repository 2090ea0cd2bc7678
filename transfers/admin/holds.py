"""Holds in the admin; an operator can capture or void an open one, with a reason."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import action, display

from console.amounts import shown
from console.outcomes import posting
from console.pages import amount_column
from console.panels import Panel, entries_panel
from console.postings import details_for
from console.questions import Done, Question, ask
from merchants.selectors import identify_now, known_currency
from transfers.admin.captures import CaptureAdmin
from transfers.admin.fees import hold_fee_panel
from transfers.admin.list_bars import HOLD_COLUMNS, HoldBar
from transfers.domain.commands import VoidHold
from transfers.domain.hold_outcomes import HoldStatus
from transfers.domain.outcome import required
from transfers.models import Hold
from transfers.selectors import find_hold_terms


@admin.register(Hold)
class HoldAdmin(CaptureAdmin):
    """Holds: their terms and their state."""

    list_display = ("created_at", "state", "source_merchant", "target_merchant", "amount", "expires_at")
    list_filter = (HoldBar,)
    exported = HOLD_COLUMNS
    list_select_related = ("source_merchant", "target_merchant", "currency")
    search_help_text = "Hold id, or the whole name of a merchant."
    ordering = ("-id",)
    fields = (
        "id", "state", "source_merchant", "target_merchant", "amount", "reserved", "captured", "outcome", "capture", "fee_schedule", "memo",
        "expires_at", "created_at",
    )  # fmt: skip
    readonly_fields = fields
    amount = amount_column("amount_minor", "Amount")
    reserved = amount_column("reserved_minor", "Reserved")
    captured = amount_column("captured_minor", "Captured")
    actions_detail = ("capture_action", "void_action")

    def text_search(self, text: str) -> Q:
        """Find the holds of the merchant of that name, on either side."""
        merchant = identify_now(names=[text]).merchant(text)
        return Q(source_merchant_id=merchant.id) | Q(target_merchant_id=merchant.id) if merchant else Q(id=None)

    @display(description="Status", label={"open": "info", "captured": "success", "voided": "warning", "expired": "danger"})
    def state(self, obj: Hold) -> str:
        """Return the status."""
        return obj.status

    @display(description="What became of it")
    def outcome(self, obj: Hold) -> str:
        """Return in words where the money is."""
        payer, receiver = obj.source_merchant.name, obj.target_merchant.name
        if obj.status == HoldStatus.OPEN:
            return f"{self.reserved(obj)} of {payer} is put aside"
        if obj.status == HoldStatus.CAPTURED:
            rest = shown(obj.amount_minor - obj.captured_minor, known_currency(obj.currency_id))
            return f"{self.captured(obj)} of {self.amount(obj)} captured by {receiver}, {rest} released to {payer}"
        return f"{self.reserved(obj)} went back to {payer}"

    def has_void_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whether the user may void holds."""
        return request.user.has_perm("transfers.void_hold")

    def possible_actions(self, obj: Hold) -> Collection[str]:
        """Offer to capture and to void an open hold."""
        return {"capture_action", "void_action"} if obj.status == HoldStatus.OPEN else ()

    def panels(self, request: HttpRequest, obj: Hold) -> list[Panel]:
        """Return why this fee is reserved, and the entries of the capture, if there is one."""
        del request
        return [hold_fee_panel(obj), *([entries_panel(obj.capture_id)] if obj.capture_id else [])]

    @action(description="Void", url_path="void", permissions=["void"])
    def void_action(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give all of the reserved money back."""
        hold: Hold = self.wanted_object(request, object_id)
        terms = required(find_hold_terms(hold.id))

        def command(values: dict[str, Any]) -> VoidHold:
            return VoidHold(terms, details_for(request, values["reason"]))

        voided = Done(f"Voided {self.reserved(hold)}", now=f"{hold.source_merchant.name} can spend {self.reserved(hold)} again")
        perform = posting(request, command, lambda _transfer_id, _values: voided)
        payer, receiver = hold.source_merchant.name, hold.target_merchant.name
        explanation = f"{payer} put {self.reserved(hold)} aside for {receiver}. A hold that is voided can never be captured."
        fee = shown(hold.reserved_minor - hold.amount_minor, terms.currency)
        back = f"{self.reserved(hold)} goes back to {payer}: {self.amount(hold)} that {receiver} does not get, and {fee} for the fee."
        return ask(
            self,
            request,
            hold,
            Question("Void this hold", explanation, perform, is_posting=True, understood=lambda _values: back),
            reverse("admin:transfers_hold_change", args=[object_id]),
        )
