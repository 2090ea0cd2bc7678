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
from ledger_project.kernel.ids import id_in
from merchants.models import Currency, Merchant
from merchants.selectors import known_currency
from transfers.domain.idempotency import record_id
from transfers.models import Refusal
from transfers.selectors.idempotency import get_record
from transfers.selectors.refusals import MOST_OF_A_SIDE, find_refusals, first_day_of_rows, refusals_of, refused_codes

_RECENT = 10
_NO_CURRENCY = "none"
"""The value of the filter for refusals of requests that named no currency that exists."""


class CodeFilter(admin.SimpleListFilter):
    """The code of the answer."""

    title = "code"
    parameter_name = "code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the codes of the daily figures, and the one that is asked for."""
        del model_admin
        return [(code, code) for code in sorted({*refused_codes(), *request.GET.getlist(self.parameter_name)})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Refusal]) -> QuerySet[Refusal]:
        """Keep one code."""
        del request
        return queryset.filter(code=self.value()) if self.value() else queryset


class CurrencyFilter(admin.SimpleListFilter):
    """The currency that was to move; several with commas between them."""

    title = "currency"
    parameter_name = "currency"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer all currencies, none, and what is asked for."""
        del model_admin
        codes = [*Currency.objects.order_by("code").values_list("code", flat=True), _NO_CURRENCY]
        codes += [text for text in request.GET.getlist(self.parameter_name) if text not in codes]
        return [(code, code.replace(",", " or ").replace(_NO_CURRENCY, "no currency")) for code in codes]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Refusal]) -> QuerySet[Refusal]:
        """Keep one currency."""
        del request
        value = self.value()
        return queryset.filter(currency__in=["" if code == _NO_CURRENCY else code for code in value.split(",")]) if value else queryset


class MerchantFilter(admin.SimpleListFilter):
    """The merchant on either side; the merchant's page links to it."""

    title = "merchant"
    parameter_name = "merchant"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the merchant that is asked for: there are too many to offer all."""
        del model_admin
        wanted = _merchant(request.GET.get(self.parameter_name))
        return [(str(wanted.id), wanted.name)] if wanted else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Refusal]) -> QuerySet[Refusal]:
        """Keep those that the merchant is a party of, of what the filters before this one keep."""
        del request
        wanted = _merchant(self.value())
        return refusals_of(wanted.id, queryset) if wanted else queryset


def _merchant(text: str | None) -> Merchant | None:
    wanted = id_in(text or "")
    return None if wanted is None else Merchant.objects.filter(id=wanted).first()


@admin.register(Refusal)
class RefusalAdmin(ExactSearch, ReadOnlyAdmin):
    """A refused posting."""

    list_before_template = "ledger/kept_from.html"
    list_display = ("created_at", "code", "kind", "source_name", "target_name", "amount", "words", "request_id")
    list_filter = (CodeFilter, CurrencyFilter, "created_at", MerchantFilter)
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
    links = [Cell("All refusals", f"{reverse('admin:transfers_refusal_changelist')}?merchant={merchant.id}")]
    return [Panel("Refused postings", headers, rows, f"None since {first_day_of_rows()}.", links)]
