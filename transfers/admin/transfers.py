"""Transfers in the admin: to look at, and the audited way back of one."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import Q, Sum
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.html import format_html
from unfold.decorators import action, display

from console.amounts import shown
from console.find import find_view
from console.panels import Cell, Panel, entries_panel
from console.postings import details_for, post_for
from console.questions import Done, Question, ask
from merchants.domain import TREASURY
from merchants.models import Merchant
from merchants.selectors import identify_now, known_currency
from transfers.admin.journal import JournalAdmin
from transfers.admin.reversals import ReversalForm, understood_reversal
from transfers.domain.commands import ReverseTransfer
from transfers.domain.kinds import REVERSIBLE_KINDS
from transfers.models import Transfer
from transfers.selectors import find_original


def _merchant_link(merchant: Merchant, text: str) -> str:
    return format_html('<a href="{}">{}</a>', reverse("admin:merchants_merchant_change", args=[merchant.id]), text)


@admin.register(Transfer)
class TransferAdmin(JournalAdmin):
    """A transfer: its entries, what it reverses or is reversed by, its request; and the audited way back."""

    list_display = ("id", "kind", "source_name", "target_name", "amount", "created_at")
    list_filter = ("kind",)
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
        "fee_schedule",
        "reverses",
        "external_reference",
        "memo",
        "metadata",
        "principal",
        "request_id",
        "created_at",
    )
    readonly_fields = fields
    actions_detail = ("reverse_action",)

    def get_urls(self) -> list[Any]:
        """Add the one search box."""
        return [path("find/", self.admin_site.admin_view(self.find), name="ledger_find"), *super().get_urls()]

    def find(self, request: HttpRequest) -> HttpResponse:
        """Look anything up by its id, reference, key or name."""
        return find_view(request, self.admin_site.each_context(request))

    def text_search(self, text: str) -> Q:
        """The external reference, whole."""
        return Q(external_reference=text)

    @display(description="From")
    def source_name(self, obj: Transfer) -> str:
        """Whose money; the outside for a deposit."""
        return "outside" if obj.source.kind == "external" else obj.source.merchant.name

    @display(description="To")
    def target_name(self, obj: Transfer) -> str:
        """Who got it; the outside for a withdrawal."""
        return "outside" if obj.target.kind == "external" else obj.target.merchant.name

    @display(description="From")
    def source_link(self, obj: Transfer) -> str:
        """Whose money, linked."""
        return _merchant_link(obj.source.merchant, self.source_name(obj))

    @display(description="To")
    def target_link(self, obj: Transfer) -> str:
        """Who got it, linked."""
        return _merchant_link(obj.target.merchant, self.target_name(obj))

    @display(description="Amount")
    def amount(self, obj: Transfer) -> str:
        """In major units."""
        return shown(obj.amount_minor, known_currency(obj.currency_id))

    @display(description="Fee")
    def fee(self, obj: Transfer) -> str:
        """In major units."""
        return shown(obj.fee_minor, known_currency(obj.currency_id))

    @display(description="Sender pays in all")
    def total_debit(self, obj: Transfer) -> str:
        """In major units."""
        return shown(obj.total_debit_minor, known_currency(obj.currency_id))

    def panels(self, request: HttpRequest, obj: Transfer) -> list[Panel]:
        """Its entries, and its reversals or original."""
        del request
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
        return [entries_panel(obj.id), Panel("Reversals", headers, rows, empty="Not reversed, and reverses nothing.")]

    def possible_actions(self, obj: Transfer) -> Collection[str]:
        """Only transfers and captures can be reversed, as long as something is left to reverse."""
        return {"reverse_action"} if obj.kind in REVERSIBLE_KINDS and self._left(obj) else ()

    def _left(self, obj: Transfer) -> int:
        reversed_minor = obj.reversals.aggregate(total=Sum("amount_minor"))["total"] or 0
        return int(obj.amount_minor - reversed_minor)

    def has_reverse_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Who may reverse."""
        return request.user.has_perm("transfers.reverse_transfer")

    @action(description="Reverse", url_path="reverse", permissions=["reverse"])
    def reverse_action(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send back all that is not yet reversed or a part of it, with its fee or without."""
        transfer: Transfer = self.wanted_object(request, object_id)
        original = find_original(transfer.id)
        assert original is not None  # it was just read, and transfers stay
        unit = original.currency
        earlier_minor = [int(minor) for minor in transfer.reversals.order_by("id").values_list("amount_minor", flat=True)]
        left = shown(original.amount_minor - sum(earlier_minor), unit)

        def perform(values: dict[str, Any]) -> Done:
            treasury = identify_now(names=[TREASURY]).merchant(TREASURY) if values["refund_fee"] else None
            details = details_for(request, values["reason"])
            command = ReverseTransfer(original, values["amount"], values["refund_fee"], treasury, details)
            made, is_repeat = post_for(request, command, values)
            return Done(f"Reversed {self.amount(Transfer.objects.get(id=made))} by {made}", is_repeat)

        question = Question(
            "Reverse this transfer",
            f"{self.source_name(transfer)} paid {self.target_name(transfer)} {self.amount(transfer)}; {left} can go back.",
            perform,
            partial(ReversalForm, unit=unit),
            is_posting=True,
            understood=partial(understood_reversal, original, earlier_minor),
        )
        return ask(self, request, transfer, question, reverse("admin:transfers_transfer_change", args=[object_id]))
