"""The end of what nobody decided in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from approvals.domain.states import ApprovalStatus
from approvals.models import Approval
from approvals.services.events import tell_of

_AT_ONCE = 100


def expire(rows: QuerySet[Approval]) -> int:
    """Write in the open transaction that these are expired, and tell of each. Return how many."""
    late = list(rows.select_for_update().order_by("id")[:_AT_ONCE])
    for approval in late:
        approval.status, approval.decided_at = ApprovalStatus.EXPIRED.value, F("expires_at")
        approval.save(update_fields=["status", "decided_at"])
        tell_of(approval)
    return len(late)


def expire_due(stopping: Callable[[], bool]) -> Mapping[str, object]:
    """Expire all that waited too long; return how many, for the log of periodic work."""
    total = 0
    while not stopping():
        with transaction.atomic():
            late = Approval.objects.filter(status=ApprovalStatus.PENDING.value, expires_at__lte=Now())
            count = expire(late)
        total += count
        if count < _AT_ONCE:
            break
    return {"expired": total} if total else {}
