"""Transfers, holds and idempotency records in the admin: to look at, and two audited actions that go through the engine."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from unfold.decorators import action, display

from ledger_project.admin_base import Cell, Panel, Question, ReadOnlyAdmin, ask
from ledger_project.kernel.money import Money
from merchants.domain import TREASURY
from merchants.selectors import identify_now, known_currency
from transfers.admin_find import find_view
from transfers.domain.commands import Command, Details, ReverseTransfer, VoidHold
from transfers.jobs import Key
from transfers.models import Hold, IdempotencyRecord, Transfer
from transfers.selectors import find_hold_terms, find_original, get_transfer
from transfers.services.posting_now import post_now


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text.strip())
    except (ValueError, ValidationError):
        return None


def post_for(request: HttpRequest, command: Command, token: str) -> UUID | None:
    """Post an operator's command under a key of its own, so that a double click moves money once. Raises what the ledger refuses."""
    key = Key(f"admin:{request.user.pk}", f"admin-{token}", token.encode()[:32].ljust(32))
    (result,) = post_now([command], keys=[key])
    if result.outcome is not None and result.outcome.refusal is not None:
        raise result.outcome.refusal
    return result.transfer_id


class JournalAdmin(ReadOnlyAdmin):
    """Shared by what is found by an id."""

    search_fields = ("id",)

    def text_search(self, text: str) -> Q:
        """Return what a search text that is no id looks for."""
        raise NotImplementedError

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[QuerySet[Any], bool]:
        """Find by exact id, or exactly by what else identifies; never by scanning for parts."""
        del request
        if not search_term.strip():
            return queryset, False
        wanted = _uuid(search_term)
        return queryset.filter(Q(id=wanted) if wanted else self.text_search(search_term.strip())), False


admin.site.index_template = "ledger/dashboard.html"


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
        "source_name",
        "target_name",
        "amount",
        "fee",
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

    @display(description="Amount")
    def amount(self, obj: Transfer) -> str:
        """In major units."""
        return str(Money(obj.amount_minor, known_currency(obj.currency_id)))

    @display(description="Fee")
    def fee(self, obj: Transfer) -> str:
        """In major units."""
        return str(Money(obj.fee_minor, known_currency(obj.currency_id)))

    def panels(self, request: HttpRequest, obj: Transfer) -> list[Panel]:
        """Its entries, and its reversals or original."""
        del request
        found = get_transfer(obj.id)
        entries = found[1] if found else []
        rows = [
            [
                Cell(entry.account_kind, reverse("admin:merchants_account_change", args=[entry.account_id])),
                Cell(str(entry.sequence), is_number=True),
                Cell(entry.direction),
                Cell(entry.type),
                Cell(str(Money(entry.amount_minor, entry.currency)), is_number=True),
                Cell(str(Money(entry.balance_after_minor, entry.currency)), is_number=True),
            ]
            for entry in entries
        ]
        related = [*obj.reversals.order_by("id"), *([obj.reverses] if obj.reverses else [])]
        links = [
            [
                Cell("reversed by" if r.reverses_id == obj.id else "reverses"),
                Cell(str(r.id), reverse("admin:transfers_transfer_change", args=[r.id])),
                Cell(self.amount(r), is_number=True),
            ]
            for r in related
        ]
        return [
            Panel("Entries", ("Account", "Sequence", "Direction", "Type", "Amount", "Balance after"), rows),
            Panel("Reversals", ("", "Transfer", "Amount"), links, empty="Not reversed, and reverses nothing."),
        ]

    def has_reverse_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Who may reverse."""
        return request.user.has_perm("transfers.reverse_transfer")

    @action(description="Reverse", url_path="reverse", permissions=["reverse"])
    def reverse_action(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send back all that is not yet reversed, with its fee."""
        transfer = Transfer.objects.get(id=UUID(object_id))
        original = find_original(transfer.id)

        def perform(values: dict[str, Any]) -> str:
            assert original is not None  # noqa: S101 - it was just read, and transfers stay
            treasury = identify_now(names=[TREASURY]).merchant(TREASURY)
            details = Details(memo=values["reason"][:500], principal=f"admin:{request.user.pk}")
            made = post_for(request, ReverseTransfer(original, None, True, treasury, details), values["token"])
            return f"Reversed by {made}" if made else "Reversed (this was sent before)"

        question = Question(
            "Reverse this transfer", f"{self.amount(transfer)} goes back, less what was reversed before, and its fee with it.", perform
        )
        return ask(self, request, transfer, question, reverse("admin:transfers_transfer_change", args=[object_id]))


@admin.register(Hold)
class HoldAdmin(JournalAdmin):
    """Holds: what is promised, until when, and the audited way to give it back."""

    list_display = ("id", "status", "source_merchant", "target_merchant", "amount", "expires_at")
    list_filter = ("status",)
    list_select_related = ("source_merchant", "target_merchant", "currency")
    search_help_text = "Hold id, or the whole name of a merchant."
    ordering = ("-id",)
    fields = (
        "id", "status", "source_merchant", "target_merchant", "amount", "reserved", "captured", "capture", "fee_schedule", "memo",
        "expires_at", "created_at",
    )  # fmt: skip
    readonly_fields = fields
    actions_detail = ("void_action",)

    def text_search(self, text: str) -> Q:
        """Either merchant's whole name."""
        merchant = identify_now(names=[text]).merchant(text)
        return Q(source_merchant_id=merchant.id) | Q(target_merchant_id=merchant.id) if merchant else Q(id=None)

    @display(description="Amount")
    def amount(self, obj: Hold) -> str:
        """In major units."""
        return str(Money(obj.amount_minor, known_currency(obj.currency_id)))

    @display(description="Reserved")
    def reserved(self, obj: Hold) -> str:
        """Amount and fee, in major units."""
        return str(Money(obj.reserved_minor, known_currency(obj.currency_id)))

    @display(description="Captured")
    def captured(self, obj: Hold) -> str:
        """In major units."""
        return str(Money(obj.captured_minor, known_currency(obj.currency_id)))

    def has_void_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Who may void."""
        return request.user.has_perm("transfers.void_hold")

    @action(description="Void", url_path="void", permissions=["void"])
    def void_action(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give all of it back."""
        hold = Hold.objects.select_related("source_merchant").get(id=UUID(object_id))
        terms = find_hold_terms(hold.id)

        def perform(values: dict[str, Any]) -> str:
            assert terms is not None  # noqa: S101 - it was just read, and holds stay
            details = Details(memo=values["reason"][:500], principal=f"admin:{request.user.pk}")
            post_for(request, VoidHold(terms, details), values["token"])
            return "Voided"

        question = Question("Void this hold", f"{self.reserved(hold)} goes back to {hold.source_merchant.name}.", perform)
        return ask(self, request, hold, question, reverse("admin:transfers_hold_change", args=[object_id]))


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(JournalAdmin):
    """What was answered under a key."""

    list_display = ("key", "principal", "status_code", "created_at", "expires_at")
    search_help_text = "The whole idempotency key."
    ordering = ("-id",)
    fields = ("id", "principal", "key", "status_code", "body", "transfer", "created_at", "expires_at")
    readonly_fields = fields
    search_fields = ("key",)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[QuerySet[Any], bool]:
        """By the whole key: the open mode's principal first, so that the unique index serves."""
        del request
        return (queryset.filter(key=search_term.strip()) if search_term.strip() else queryset), False
