"""Fee schedules in the admin: append a version after a preview, and compare versions; never edit
one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from unfold.decorators import action, display

from console.amounts import shown
from console.pages import ReadOnlyAdmin, object_link
from console.panels import Cell, Filter, Panel
from fees.admin.appending import save_draft
from fees.admin.comparisons import comparison_url, comparison_view
from fees.admin.drafts import DraftForm, reshaped, values_of
from fees.admin.list_bars import FEE_COLUMNS, FeeBar
from fees.admin.panels import preview_panel
from fees.admin.previews import check_as_next, draft_panels, groups_of, preview_state
from fees.admin.words import shown_percent, terms, tier_lines
from fees.models import FeeSchedule
from fees.selectors import charging_instead, state_now, state_of, stored_schedule, time_line
from ledger_project.database.clock import database_now
from ledger_project.database.fields import new_id
from merchants.selectors import known_currency

_UNREADABLE = "amounts or tiers that are no numbers"


@admin.register(FeeSchedule)
class FeeScheduleAdmin(ReadOnlyAdmin):
    """Schedules: their state, the time line of each scope, and a form that appends a version."""

    list_display = ("scope", "version", "state", "terms_in_words", "paid_by", "in_force_from", "reason")
    list_filter = (FeeBar,)
    exported = FEE_COLUMNS
    search_fields = ("merchant__name__istartswith",)
    search_help_text = "Beginning of a merchant's name."
    list_select_related = ("merchant", "currency")
    fields = (
        "version", "state", "whom", "in_currency", "for_kind", "rate_percent", "flat", "minimum", "maximum", "tier_terms",
        "rounding_mode", "paid_by", "in_force_from", "reason", "created_by", "created_at", "id",
    )  # fmt: skip
    readonly_fields = fields
    actions = ("compare_two",)
    actions_list = ("append",)
    actions_detail = ("append_like",)

    @display(description="State", label={"in force": "success", "future": "info", "superseded": "warning"})
    def state(self, obj: FeeSchedule) -> str:
        """Return whether the version is in force, future or superseded."""
        return state_now(obj)

    @display(description="Who pays by it")
    def whom(self, obj: FeeSchedule) -> str:
        """Return a link to the merchant, or words for everybody."""
        if obj.merchant is None:
            return "everybody who has no schedule of their own"
        return object_link("merchants_merchant", obj.merchant_id, obj.merchant.name)

    @display(description="Currency")
    def in_currency(self, obj: FeeSchedule) -> str:
        """Return the currency, or words for all."""
        return obj.currency_id or "every currency"

    @display(description="Kind")
    def for_kind(self, obj: FeeSchedule) -> str:
        """Return the kind, or words for both."""
        return obj.kind or "transfers and captures"

    def _money(self, obj: FeeSchedule, minor: int | None) -> str:
        if minor is None:
            return "none"
        return shown(minor, known_currency(obj.currency_id)) if obj.currency_id else str(minor)

    @display(description="Flat part")
    def flat(self, obj: FeeSchedule) -> str:
        """Return the flat part; only a schedule of one currency has one."""
        return self._money(obj, obj.flat_minor or None)

    @display(description="Minimum")
    def minimum(self, obj: FeeSchedule) -> str:
        """Return the smallest fee."""
        return self._money(obj, obj.minimum_minor)

    @display(description="Maximum")
    def maximum(self, obj: FeeSchedule) -> str:
        """Return the largest fee."""
        return self._money(obj, obj.maximum_minor)

    @display(description="Rounding")
    def rounding_mode(self, obj: FeeSchedule) -> str:
        """Return how a fraction of a minor unit is rounded."""
        return obj.rounding.replace("_", "-")

    @display(description="Paid by")
    def paid_by(self, obj: FeeSchedule) -> str:
        """Return who pays the fee."""
        return f"the {obj.payer}"

    @display(description="In force from (UTC)", ordering="effective_from")
    def in_force_from(self, obj: FeeSchedule) -> str:
        """Return the moment from which it is in force, until the next version of its scope is."""
        return f"{obj.effective_from:%Y-%m-%d %H:%M:%S}"

    @display(description="Reason")
    def reason(self, obj: FeeSchedule) -> str:
        """Return why it was appended."""
        return obj.note

    @display(description="Tiers")
    def tier_terms(self, obj: FeeSchedule) -> str:
        """Return the terms of each tier, and the mode of the tiers."""
        schedule = stored_schedule(obj)
        lines = tier_lines(schedule, known_currency(obj.currency_id)) if schedule and schedule.tiers and obj.currency_id else []
        return f"{obj.tier_mode}: {'; '.join(lines)}" if lines else "none"

    @display(description="Rate")
    def rate_percent(self, obj: FeeSchedule) -> str:
        """Return the rate in per cent, without needless zeros."""
        schedule = stored_schedule(obj)
        return "by tiers" if obj.tiers else _UNREADABLE if schedule is None else shown_percent(schedule.scaled_rate)

    @display(description="Terms")
    def terms_in_words(self, obj: FeeSchedule) -> str:
        """Return what it charges, in one line."""
        schedule = stored_schedule(obj)
        return _UNREADABLE if schedule is None else terms(schedule, known_currency(obj.currency_id) if obj.currency_id else None)

    def panels(self, request: HttpRequest, obj: FeeSchedule) -> list[Panel]:
        """Return the time line of the scope with comparisons, and fees on amounts to try."""
        versions, now = time_line(obj), database_now()
        rows = [
            [
                Cell(f"v{v.version}", reverse("admin:fees_feeschedule_change", args=[v.id])),
                Cell(f"{v.effective_from:%Y-%m-%d %H:%M:%S}"),
                Cell(state_of(v, versions, now)),
                Cell(self.terms_in_words(v)),
                Cell(v.note),
                Cell(str(v.created_by or "—")),
                Cell("compare", comparison_url(obj, v)) if v.id != obj.id else Cell("this one"),
            ]
            for v in versions
        ]
        headers = ("Version", "In force from (UTC)", "State", "Terms", "Why", "By", "")
        line = Panel("Time line of this scope", headers, rows, links=self._comparisons(obj, versions, now))
        if stored_schedule(obj) is None:
            return [replace(line, warning=f"Version {obj.version} has {_UNREADABLE}. Start a reconciliation.")]
        amounts = request.GET.get("amounts", "")[:400]
        tried = preview_panel(obj, amounts, "What it charges")
        field = Filter("amounts", "Amounts to try, as in 10 112.50 5,000", amounts)
        return [line, replace(tried, filters=(field,), button="Show")]

    def _comparisons(self, obj: FeeSchedule, versions: Sequence[FeeSchedule], now: datetime) -> list[Cell]:
        """Return links that compare a version with the one before it, and with what charges now."""
        before = next((v for v in versions if v.version == obj.version - 1), None)
        charging = charging_instead(obj, now) if stored_schedule(obj) else None
        links = [Cell("Compare with the version before", comparison_url(obj, before))] if before else []
        if charging is not None and charging.id != obj.id:
            links.append(Cell("Compare with what is in force", comparison_url(obj, charging)))
        return links

    def has_append_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whether the user may append versions."""
        return request.user.has_perm("fees.add_feeschedule")

    @action(description="Append a version", url_path="append", permissions=["append"])
    def append(self, request: HttpRequest) -> HttpResponse:
        """Go to the empty form."""
        return HttpResponseRedirect(reverse("admin:fee_append"))

    @action(description="Append a version to this scope", url_path="append-like", permissions=["append"])
    def append_like(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the form filled with this version."""
        return HttpResponseRedirect(f"{reverse('admin:fee_append')}?like={object_id}")

    @action(description="Compare two versions", permissions=["view"])
    def compare_two(self, request: HttpRequest, queryset: QuerySet[FeeSchedule]) -> HttpResponse | None:
        """Go to the comparison of the two versions that were chosen in the list."""
        chosen = list(queryset[:3])
        if len(chosen) != 2:
            messages.error(request, "Choose two versions to compare them.")
            return None
        return HttpResponseRedirect(comparison_url(*chosen))

    def get_urls(self) -> list[Any]:
        """Add the page of the form, and that of comparisons."""
        wrap = self.admin_site.admin_view
        return [
            path("new-version/", wrap(self.append_view), name="fee_append"),
            path("compare/", wrap(self.compare_view), name="fee_compare"),
            *super().get_urls(),
        ]

    def compare_view(self, request: HttpRequest) -> HttpResponse:
        """Show two versions side by side."""
        return comparison_view(self, request)

    def append_view(self, request: HttpRequest) -> HttpResponse:
        """Show the form; preview or save what it holds."""
        if not self.has_append_permission(request):
            raise PermissionDenied
        form = reshaped(request.POST) or self._form(request)
        if "save" in request.POST and form.is_valid():
            answered = save_draft(request, form)
            if answered is not None:
                return answered
        elif form.is_bound:
            check_as_next(form)
        context = {
            **self.admin_site.each_context(request),
            "title": "A new version of a fee schedule",
            "form": form,
            "groups": groups_of(form),
            "panels": draft_panels(form),
            "preview_state": preview_state(form),
            "now": database_now(),
            "opts": FeeSchedule._meta,
            "back": reverse("admin:fees_feeschedule_changelist"),
        }
        return TemplateResponse(request, "fees/append.html", context)

    def _form(self, request: HttpRequest) -> DraftForm:
        """Return the form that was sent; else one filled with the version ``like`` if any."""
        if request.method == "POST":
            return DraftForm(request.POST)
        like = request.GET.get("like")
        row = self.get_object(request, like) if like else None
        if row is None:
            return DraftForm(initial={"token": new_id(), "merchant_name": request.GET.get("merchant", ""), "percent": "1"})
        values, rows = values_of(row)
        return DraftForm(initial=values | {"token": new_id()}, rows=rows)
