"""Approvals as they are shown."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import Case, CharField, F, QuerySet, Value, When
from django.db.models.functions import Now
from msgspec import Struct

from approvals.domain.states import ApprovalStatus
from approvals.models import Approval


class ApprovalFacts(Struct, frozen=True):
    """An approval as it is shown. What waited too long is shown as expired, written or not yet."""

    id: UUID
    action: str
    status: str
    requested_by: str
    summary: str
    expires_at: datetime
    created_at: datetime
    currency: str
    amount_minor: int | None
    merchant_name: str | None
    reason: str
    decided_by: str
    decided_at: datetime | None
    decision_reason: str
    transfer_id: UUID | None
    failure_code: str
    failure_detail: str


_NAMES = [name if name != "merchant_name" else "merchant__name" for name in ApprovalFacts.__struct_fields__]


def as_now(rows: QuerySet[Approval]) -> QuerySet[Approval]:
    """Add ``status_now`` to approvals: what waited too long is expired."""
    is_late = When(status=ApprovalStatus.PENDING.value, expires_at__lte=Now(), then=Value(ApprovalStatus.EXPIRED.value))
    return rows.annotate(status_now=Case(is_late, default=F("status"), output_field=CharField()))


def _facts(rows: QuerySet[Approval]) -> list[ApprovalFacts]:
    names = ["status_now" if name == "status" else name for name in _NAMES]
    return [ApprovalFacts(*row) for row in as_now(rows).values_list(*names)]


def get_approval(approval_id: UUID) -> ApprovalFacts | None:
    """Return an approval; None if there is none. Synchronous."""
    found = _facts(Approval.objects.filter(id=approval_id))
    return found[0] if found else None


def list_approvals(*, status: str | None, before: UUID | None, limit: int) -> list[ApprovalFacts]:
    """Return approvals, newest first. Synchronous.

    With a status, only those: what waited too long is among the expired ones once the sweep has
    written it, a few seconds later, and among the pending ones never.
    """
    rows = Approval.objects.order_by("-id")
    if status is not None:
        rows = rows.filter(status=status)
    if status == ApprovalStatus.PENDING:
        rows = rows.filter(expires_at__gt=Now())
    if before is not None:
        rows = rows.filter(id__lt=before)
    return _facts(rows[:limit])


def waiting() -> QuerySet[Approval]:
    """Return the approvals that wait, the oldest first."""
    return Approval.objects.filter(status=ApprovalStatus.PENDING.value, expires_at__gt=Now()).order_by("id")
