"""Refused postings in the admin: who wanted what, and the words that the caller got."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import display

from console.amounts import shown
from console.pages import ExactSearch, ReadOnlyAdmin, object_link
from console.panels import Cell, Panel
from merchants.models import Merchant
from merchants.selectors import known_currency
from transfers.admin.list_bars import REFUSAL_COLUMNS, RefusalBar
from transfers.domain.idempotency import record_id
from transfers.models import Refusal
from transfers.selectors.idempotency import get_record
from transfers.selectors.refusals import MOST_OF_A_SIDE, find_refusals, first_day_of_rows, refusals_of

_RECENT = 10


@admin.register(Refusal)
class RefusalAdmin(ExactSearch, ReadOnlyAdmin):
    """A refused posting."""

    list_before_template = "ledger/kept_from.html"
    list_display = ("created_at", "code", "kind", "source_name", "target_name", "amount", "words", "request_id")
    list_filter = (RefusalBar,)
    exported = REFUSAL_COLUMNS
    list_select_related = ("source", "target")
    search_fields = ("request_id",)
    search_help_text = "The whole request id or idempotency key, a code, or the name of a merchant."
    sortable_by = ()
    ordering = ("-created_at", "-id")
    fields = (
        "created_at", "code", "words", "kind", "source_link", "target_link", "amount", "principal", "request_id", "key_link", "owner",
        "id",
    )  # fmt: skip
    readonly_fields = fields

    @display(description="From")
    def source_name(self, obj: Refusal) -> str:
        """Return who was to pay."""
        return obj.source.name if obj.source else "—"

    @display(description="To")
    def target_name(self, obj: Refusal) -> str:
        """Return who was to be paid."""
        return obj.target.name if obj.target else "—"

    @display(description="From")
    def source_link(self, obj: Refusal) -> str:
        """Return who was to pay, as a link."""
        return object_link("merchants_merchant", obj.source.id, obj.source.name) if obj.source else "—"

    @display(description="To")
    def target_link(self, obj: Refusal) -> str:
        """Return who was to be paid, as a link."""
        return object_link("merchants_merchant", obj.target.id, obj.target.name) if obj.target else "—"

    @display(description="Amount")
    def amount(self, obj: Refusal) -> str:
        """Return the amount; the currency alone where the request names no amount."""
        return amount_of(obj)

    @display(description="Idempotency key")
    def key_link(self, obj: Refusal) -> str:
        """Return the key, as a link to the whole answer if it is kept."""
        if not obj.key:
            return "—"
        record = get_record(UUID(record_id(obj.owner, obj.key)))
        return object_link("transfers_idempotencyrecord", record.id, obj.key) if record else obj.key

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Say above the list since when refusals are kept."""
        response: HttpResponse = super().changelist_view(
            request, {**(extra_context or {}), "kept_from": first_day_of_rows(), "most_of_a_side": MOST_OF_A_SIDE}
        )
        return response

    def search_for(self, queryset: QuerySet[Any], text: str) -> QuerySet[Any]:
        """Find by what a caller quotes, or by a merchant's whole name."""
        text = text[:255]
        named = Merchant.objects.filter(name__iexact=text).first()
        return find_refusals(text, queryset) if named is None else refusals_of(named.id, queryset)


def amount_of(refusal: Refusal) -> str:
    """Return the amount of a refusal in major units; its currency alone where it has no amount."""
    if not refusal.currency or refusal.amount_minor is None:
        return refusal.currency or "—"
    return shown(refusal.amount_minor, known_currency(refusal.currency))


def refusals_panel(request: HttpRequest, merchant: Merchant) -> list[Panel]:
    """Return the panel of the newest refusals of a merchant, for users who may see them."""
    if not request.user.has_perm("transfers.view_refusal"):
        return []
    newest = refusals_of(merchant.id, Refusal.objects.all(), limit=_RECENT).select_related("source", "target")[:_RECENT]
    rows = [
        [
            Cell(f"{refusal.created_at:%Y-%m-%d %H:%M:%S}", reverse("admin:transfers_refusal_change", args=[refusal.id])),
            Cell(refusal.code),
            Cell(amount_of(refusal), is_number=True),
            Cell(refusal.source.name if refusal.source else "—"),
            Cell(refusal.target.name if refusal.target else "—"),
            Cell(refusal.words),
            Cell(refusal.request_id),
        ]
        for refusal in newest
    ]
    headers = ("When (UTC)", "Code", "Amount", "From", "To", "What the caller was told", "Request")
    links = [Cell("All refusals", f"{reverse('admin:transfers_refusal_changelist')}?merchant={merchant.name}")]
    return [Panel("Refused postings", headers, rows, f"None since {first_day_of_rows()}.", links)]
