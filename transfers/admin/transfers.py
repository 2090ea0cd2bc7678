"""Transfers in the admin; an operator can reverse one, with a reason."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from unfold.decorators import action, display

from console.amounts import shown
from console.approvals import approval_panels
from console.balances import expected_balances, posted_balances
from console.find import find_view, palette_view
from console.outcomes import posting
from console.pages import amount_column, object_link
from console.panels import Cell, Panel, entries_panel
from console.postings import details_for
from console.questions import Done, Question, ask
from merchants.domain import AccountKind
from merchants.models import Account
from merchants.selectors import known_currency
from transfers.admin.fees import fee_panels
from transfers.admin.list_bars import TRANSFER_COLUMNS, TransferBar
from transfers.admin.new_transfers import NewTransferAdmin
from transfers.admin.receipts import ask_to_mail, mailable_parties, receipt_file, receipts_panel
from transfers.admin.reversals import OUTSIDE, ReversalForm, reversal_state, understood_reversal
from transfers.domain.commands import ReverseTransfer
from transfers.domain.kinds import REVERSIBLE_KINDS
from transfers.domain.outcome import required
from transfers.domain.reversals import OriginalPhase, original_phase
from transfers.models import ExternalReference, Transfer
from transfers.selectors import find_original_now
from transfers.selectors.idempotency import record_of
from transfers.selectors.list_rows import refunded_fee, reversed_amount
from transfers.selectors.reversals import earlier_reversals
from transfers.services.reversals import operator_reversal


def _party_name(account: Account) -> str:
    """Return the name of an account's merchant; ``OUTSIDE`` for an external account."""
    return OUTSIDE if account.kind == AccountKind.EXTERNAL else account.merchant.name


@admin.register(Transfer)
class TransferAdmin(NewTransferAdmin):
    """A transfer: its entries, its reversals, and its request."""

    list_display = ("created_at", "kind", "source_name", "target_name", "amount", "moved_fee", "state")
    list_filter = (TransferBar,)
    exported = TRANSFER_COLUMNS
    search_help_text = "Transfer id or external reference."
    list_select_related = ("source__merchant", "target__merchant", "currency")
    ordering = ("-id",)
    fields = (
        "id",
        "kind",
        "source_link",
        "target_link",
        "amount",
        "fee",
        "total_debit",
        "balances",
        "fee_schedule",
        "reverses",
        "reversed_state",
        "external_reference",
        "memo",
        "metadata",
        "principal",
        "request_id",
        "key_link",
        "created_at",
    )
    readonly_fields = fields
    amount = amount_column("amount_minor", "Amount")
    fee = amount_column("fee_minor", "Fee")
    total_debit = amount_column("total_debit_minor", "Sender pays in all")
    actions_detail = ("reverse_action", "mail_action")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Transfer]:
        """Add what was reversed of each transfer, and the fee that it gave back."""
        queryset: QuerySet[Transfer] = super().get_queryset(request)
        return queryset.annotate(reversed_minor=reversed_amount(), refunded_minor=refunded_fee())

    def get_urls(self) -> list[Any]:
        """Add the page of the search box, and the receipts."""
        wrap = self.admin_site.admin_view
        receipt = path("<uuid:transfer_id>/receipt/<uuid:account_id>/", wrap(self.receipt), name="transfer_receipt")
        found = [path("find/", wrap(self.find), name="ledger_find"), path("find/palette/", wrap(palette_view), name="ledger_palette")]
        return [*found, receipt, *super().get_urls()]

    def receipt(self, request: HttpRequest, transfer_id: UUID, account_id: UUID) -> HttpResponse:
        """Return the receipt of a party as PDF."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return receipt_file(transfer_id, account_id)

    def find(self, request: HttpRequest) -> HttpResponse:
        """Find anything by its id, reference, key or name."""
        return find_view(request, self.admin_site.each_context(request))

    def text_search(self, text: str) -> Q:
        """Find by the whole external reference."""
        return Q(id__in=ExternalReference.objects.filter(reference=text).values("transfer_id"))

    @display(description="Fee")
    def moved_fee(self, obj: Transfer) -> str:
        """Return the fee that it charged, or, negative, the one that it gave back."""
        refunded_minor = getattr(obj, "refunded_minor", None) or 0
        return shown(obj.fee_minor - refunded_minor, known_currency(obj.currency_id)) if obj.fee_minor or refunded_minor else ""

    @display(description="Reversed", label={"partly": "warning", "in full": "danger"})
    def state(self, obj: Transfer) -> str:
        """Return whether it was reversed, as a list shows it."""
        reversed_minor = getattr(obj, "reversed_minor", None) or 0
        return "" if not reversed_minor else "partly" if reversed_minor < obj.amount_minor else "in full"

    @display(description="From")
    def source_name(self, obj: Transfer) -> str:
        """Return who paid."""
        return _party_name(obj.source)

    @display(description="To")
    def target_name(self, obj: Transfer) -> str:
        """Return who was paid."""
        return _party_name(obj.target)

    @display(description="From")
    def source_link(self, obj: Transfer) -> str:
        """Return who paid, as a link."""
        return object_link("merchants_merchant", obj.source.merchant_id, _party_name(obj.source))

    @display(description="To")
    def target_link(self, obj: Transfer) -> str:
        """Return who was paid, as a link."""
        return object_link("merchants_merchant", obj.target.merchant_id, _party_name(obj.target))

    @display(description="Balances")
    def balances(self, obj: Transfer) -> str:
        """Return what it did to the balances of its parties."""
        return posted_balances(obj.id) or "-"

    @display(description="Reversed")
    def reversed_state(self, obj: Transfer) -> str:
        """Return how much went back and how much can still go back."""
        if obj.kind not in REVERSIBLE_KINDS:
            return "-"
        return reversal_state(obj.amount_minor, earlier_reversals(obj.id), known_currency(obj.currency_id))

    @display(description="Idempotency key")
    def key_link(self, obj: Transfer) -> str:
        """Return the key under which it was posted, as a link to its record."""
        record = record_of(obj)
        return object_link("transfers_idempotencyrecord", record.id, record.key) if record else "-"

    def panels(self, request: HttpRequest, obj: Transfer) -> list[Panel]:
        """Return the entries, the reversals or the reversed transfer, and the receipts."""
        related = [*obj.reversals.order_by("id"), *([obj.reverses] if obj.reverses else [])]
        rows = [
            [
                Cell("reversed by" if r.reverses_id == obj.id else "reverses"),
                Cell(str(r.id), reverse("admin:transfers_transfer_change", args=[r.id])),
                Cell(self.amount(r), is_number=True),
                Cell(f"{r.created_at:%Y-%m-%d %H:%M:%S}"),
                Cell(r.memo or ""),
            ]
            for r in related
        ]
        headers = ("", "Transfer", "Amount", "When (UTC)", "Memo")
        reversals = Panel("Reversals", headers, rows, empty="Not reversed, and reverses nothing.")
        return [entries_panel(obj.id), *fee_panels(obj), *approval_panels(request, obj.id), reversals, *receipts_panel(obj.id)]

    def possible_actions(self, obj: Transfer) -> Collection[str]:
        """Offer the reversal of what is reversible and not reversed in full, and receipts by mail
        where a party has an address.
        """
        phase = original_phase(obj.kind, obj.amount_minor, earlier_reversals(obj.id))
        is_reversible = phase in {OriginalPhase.UNREVERSED, OriginalPhase.PARTLY_REVERSED}
        return {*(["reverse_action"] if is_reversible else []), *(["mail_action"] if mailable_parties(obj.id) else [])}

    def has_mail_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whether the user may have receipts mailed."""
        del object_id
        return request.user.has_perm("events.send_receiptmail")

    @action(description="Mail a receipt", url_path="mail", permissions=["mail"])
    def mail_action(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Have the receipt of a party mailed once more, or for the first time."""
        return ask_to_mail(self, request, self.wanted_object(request, object_id))

    def has_reverse_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whether the user may reverse transfers."""
        return request.user.has_perm("transfers.reverse_transfer")

    @action(description="Reverse", url_path="reverse", permissions=["reverse"])
    def reverse_action(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send back what is left of the transfer or a part of it, with the fee or without."""
        transfer: Transfer = self.wanted_object(request, object_id)
        original = required(find_original_now(transfer.id))
        unit = original.currency
        earlier_minor = earlier_reversals(transfer.id)
        left = shown(original.amount_minor - sum(earlier_minor), unit)

        def command(values: dict[str, Any]) -> ReverseTransfer:
            details = details_for(request, values["reason"])
            return operator_reversal(original, values["amount"], details, refund_fee=values["refund_fee"])

        def told(transfer_id: UUID | None, _values: dict[str, Any]) -> Done:
            made = required(transfer_id)
            now = reversal_state(original.amount_minor, earlier_reversals(transfer.id), unit)
            return Done(f"Reversed {self.amount(Transfer.objects.get(id=made))} by {made}", now=now, numbers=posted_balances(made))

        question = Question(
            "Reverse this transfer",
            f"{_party_name(transfer.source)} paid {_party_name(transfer.target)} {self.amount(transfer)}; {left} can go back.",
            posting(request, command, told),
            partial(ReversalForm, unit=unit),
            is_posting=True,
            operation=command,
            understood=partial(understood_reversal, original, earlier_minor),
            state=lambda values: expected_balances(command({"reason": "", **values})),
            repeats="Reversed ",
        )
        return ask(self, request, transfer, question, reverse("admin:transfers_transfer_change", args=[object_id]))
