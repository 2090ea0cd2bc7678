"""The page that compares two versions: their terms, and their fees on the same amounts."""

from __future__ import annotations

from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin

from console.panels import Cell, Panel
from fees.admin.panels import comparison_panels, name_of
from fees.models import FeeSchedule
from ledger_project.kernel.ids import id_in


def comparison_url(one: FeeSchedule, other: FeeSchedule) -> str:
    """Return the address of the page that compares two versions, the older one first."""
    older, newer = sorted((one, other), key=lambda version: (version.effective_from, version.version))
    return f"{reverse('admin:fee_compare')}?{urlencode({'one': older.id, 'other': newer.id})}"


def comparison_view(model_admin: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """Show the versions ``one`` and ``other`` side by side, on the amounts that are asked for."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    wanted = [id_in(request.GET.get(name, "")) for name in ("one", "other")]
    rows = FeeSchedule.objects.select_related("merchant").in_bulk([wanted_id for wanted_id in wanted if wanted_id is not None])
    versions = [rows[wanted_id] for wanted_id in wanted if wanted_id in rows]
    amounts = request.GET.get("amounts", "")[:400]
    panels: list[Panel] = comparison_panels(versions[0], versions[1], amounts) if len(versions) == 2 else []
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Two versions compared",
        "panels": panels,
        "versions": [Cell(name_of(version), reverse("admin:fees_feeschedule_change", args=[version.id])) for version in versions],
        "one": wanted[0] or "",
        "other": wanted[1] or "",
        "amounts": amounts,
        "opts": FeeSchedule._meta,
        "back": reverse("admin:fees_feeschedule_changelist"),
    }
    return TemplateResponse(request, "fees/compare.html", context)
