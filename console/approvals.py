"""Approvals on other pages: what waits, on the front page, and by whom a transfer was approved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse

from approvals.models import Approval
from approvals.selectors.approvals import waiting
from approvals.selectors.persons import of_one_person
from console.panels import Cell, Panel
from console.principals import named

DECIDE_PERMISSION = "approvals.decide_approval"
VIEW_PERMISSION = "approvals.view_approval"
_SHOWN = 10
"""How many of those that wait the front page shows."""


def waiting_panels(request: HttpRequest) -> list[Panel]:
    """Return the panel of what waits for a second person, oldest first; none if nothing does, or
    for users who may not see it. Up to five round trips.
    """
    rows = list(waiting()[:_SHOWN]) if request.user.has_perm(VIEW_PERMISSION) else []
    if not rows:
        return []
    askers = [row.requested_by for row in rows]
    own, names = of_one_person(askers, f"admin:{request.user.pk}"), named(askers, request.user)
    may_decide = request.user.has_perm(DECIDE_PERMISSION)
    cells = [
        [
            Cell(row.summary, reverse("admin:approvals_approval_change", args=[row.id])),
            names[row.requested_by],
            Cell(f"{span(datetime.now(UTC) - row.created_at)} ago"),
            Cell(f"in {span(row.expires_at - datetime.now(UTC))}"),
            Cell(_who_decides(is_own=row.requested_by in own, may_decide=may_decide)),
        ]
        for row in rows
    ]
    count = len(rows) if len(rows) < _SHOWN else waiting().count()
    title = f"Waits for a second person: {count:,}"
    links = [Cell("All that wait", reverse("admin:approvals_approval_changelist"))]
    return [Panel(title, ("What", "Asked by", "Asked", "Expires", "Who decides"), cells, links=links)]


def _who_decides(*, is_own: bool, may_decide: bool) -> str:
    if is_own:
        return "Another person decides"
    return "You can decide" if may_decide else "An approver decides"


def span(time: timedelta) -> str:
    """Return a span of time in its largest unit, rounded down: "3 h"."""
    seconds = max(0, int(time.total_seconds()))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def approval_panels(request: HttpRequest, transfer_id: UUID) -> list[Panel]:
    """Return the panel that says by which approval a transfer was posted, if it was by one."""
    found = list(Approval.objects.filter(transfer_id=transfer_id)) if request.user.has_perm(VIEW_PERMISSION) else []
    names = named([name for row in found for name in (row.requested_by, row.decided_by)], request.user)
    cells = [
        [
            Cell(row.summary, reverse("admin:approvals_approval_change", args=[row.id])),
            names[row.requested_by],
            names[row.decided_by],
            Cell(f"{row.decided_at:%Y-%m-%d %H:%M:%S}"),
        ]
        for row in found
    ]
    return [Panel("Approved by a second person", ("Approval", "Asked by", "Approved by", "When (UTC)"), cells)] if cells else []
