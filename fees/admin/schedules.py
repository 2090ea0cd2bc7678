"""Fee schedules in the admin: append a version after a preview, and compare versions; never edit
one.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from unfold.decorators import action, display

from console.amounts import shown
from console.pages import ReadOnlyAdmin, object_link
from console.panels import Cell, Panel
from fees.admin.drafts import DraftForm
from fees.admin.panels import compare_panel, preview_panels
from fees.models import FeeSchedule
from fees.selectors import state_of, time_line
from fees.services import VersionExists, append_schedule
from ledger_project.database.clock import database_now
from ledger_project.database.fields import new_id
from ledger_project.kernel.errors import ValidationFailed
from merchants.selectors import known_currency
from people.models import User


@admin.register(FeeSchedule)
class FeeScheduleAdmin(ReadOnlyAdmin):
    """Schedules: their state, the time line of each scope, and a form that appends a version."""

    list_display = ("scope", "version", "state", "rate_percent", "payer", "effective_from", "note")
    list_filter = ("kind", "payer")
    search_fields = ("merchant__name__istartswith",)
    search_help_text = "Beginning of a merchant's name."
    list_select_related = ("merchant", "currency")
    fields = (
        "version", "state", "whom", "in_currency", "for_kind", "rate_percent", "flat", "minimum", "maximum", "tier_terms",
        "rounding", "payer", "effective_from", "note", "created_by", "created_at", "id",
    )  # fmt: skip
    readonly_fields = fields
    actions_list = ("append",)
    actions_detail = ("append_like",)

    @display(description="State", label={"in force": "success", "future": "info", "superseded": "warning"})
    def state(self, obj: FeeSchedule) -> str:
        """Return whether the version is in force, future or superseded."""
        return state_of(obj, time_line(obj), database_now())

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

    @display(description="Tiers")
    def tier_terms(self, obj: FeeSchedule) -> str:
        """Return the terms of each tier, and the mode of the tiers."""
        if not obj.tiers:
            return "none"
        terms = [
            f"{'beyond' if tier['up_to_minor'] is None else 'up to ' + self._money(obj, tier['up_to_minor'])}: "
            f"{(Decimal(str(tier.get('rate', '0'))) * 100).normalize():f}% + {self._money(obj, tier.get('flat_minor', 0))}"
            for tier in obj.tiers
        ]
        return f"{obj.tier_mode}: " + "; ".join(terms)

    @display(description="Rate")
    def rate_percent(self, obj: FeeSchedule) -> str:
        """Return the rate in percent, without needless zeros."""
        return f"{(obj.rate * 100).normalize():f}%" if not obj.tiers else "tiers"

    def panels(self, request: HttpRequest, obj: FeeSchedule) -> list[Panel]:
        """Return the time line of the scope, a comparison if asked for, and the samples."""
        versions, now = time_line(obj), database_now()
        here = reverse("admin:fees_feeschedule_change", args=[obj.id])
        rows = [
            [
                Cell(f"v{v.version}", reverse("admin:fees_feeschedule_change", args=[v.id])),
                Cell(f"{v.effective_from:%Y-%m-%d %H:%M:%S}"),
                Cell(state_of(v, versions, now)),
                Cell(self.rate_percent(v)),
                Cell(v.note),
                Cell(str(v.created_by or "—")),
                Cell("compare", f"{here}?compare={v.version}") if v.id != obj.id else Cell("this one"),
            ]
            for v in versions
        ]
        panels = [Panel("Time line of this scope", ("Version", "In force from (UTC)", "State", "Rate", "Why", "By", ""), rows)]
        wanted = request.GET.get("compare")
        other = next((v for v in versions if str(v.version) == wanted), None)
        return [*panels, *([compare_panel(obj, other)] if other else []), *preview_panels(obj)]

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

    def get_urls(self) -> list[Any]:
        """Add the page of the form."""
        return [path("new-version/", self.admin_site.admin_view(self.append_view), name="fee_append"), *super().get_urls()]

    def append_view(self, request: HttpRequest) -> HttpResponse:
        """Show the form; preview or save what it holds."""
        if not self.has_append_permission(request):
            raise PermissionDenied
        form = DraftForm(request.POST or None, initial=self._initial(request))
        panels: list[Panel] = []
        if request.method == "POST" and form.is_valid():
            if "save" in request.POST:
                saved = self._save(request, form)
                if saved is not None:
                    return HttpResponseRedirect(reverse("admin:fees_feeschedule_change", args=[saved.id]))
            else:
                panels = preview_panels(form.instance)
        context = {
            **self.admin_site.each_context(request),
            "title": "A new version of a fee schedule",
            "form": form,
            "panels": panels,
            "opts": FeeSchedule._meta,
            "back": reverse("admin:fees_feeschedule_changelist"),
        }
        return TemplateResponse(request, "fees/append.html", context)

    def _save(self, request: HttpRequest, form: DraftForm) -> FeeSchedule | None:
        """Store a version and its record in one transaction, once for each form.

        Returns None, with an error on the form, if the version cannot be stored.
        """
        try:
            with transaction.atomic():
                saved = append_schedule(form.instance, by=User.objects.get(pk=request.user.pk or UUID(int=0)))
                LogEntry.objects.log_actions(
                    request.user.pk or 0, [saved], ADDITION, change_message=f"Appended: {saved.note}", single_object=True
                )
        except ValidationFailed as failed:
            form.add_error(None, str(failed))
            return None
        except VersionExists:
            stored = FeeSchedule.objects.get(id=form.instance.id)
            if not form.says_what(stored):
                form.add_error(None, f"This form was sent before: version {stored.version} is stored, with other terms. Open a new form.")
                return None
            messages.success(request, f"Version {stored.version} for {stored.scope} is stored (this form was sent before).")
            return stored
        messages.success(request, f"Version {saved.version} for {saved.scope} is stored.")
        return saved

    def _initial(self, request: HttpRequest) -> dict[str, Any]:
        like = request.GET.get("like")
        row = self.get_object(request, like) if like else None
        if row is None:
            return {"token": new_id(), "merchant_name": request.GET.get("merchant", ""), "rate": "0.01"}
        names = [name for name in DraftForm.Meta.fields if name != "note"]
        values = {name: getattr(row, name) for name in names} | {"merchant_name": row.merchant.name if row.merchant else ""}
        return values | {"token": new_id(), "rate": f"{row.rate.normalize():f}"}
