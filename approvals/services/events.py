"""Events about approvals. They are the platform's: no merchant sees them."""

from __future__ import annotations

from approvals.domain.states import ApprovalStatus
from approvals.models import Approval
from ledger_project.kernel.happenings import EventType, Happening, tell

_TYPES = {
    ApprovalStatus.PENDING: EventType.APPROVAL_REQUESTED,
    ApprovalStatus.APPROVED: EventType.APPROVAL_APPROVED,
    ApprovalStatus.REJECTED: EventType.APPROVAL_REJECTED,
    ApprovalStatus.EXPIRED: EventType.APPROVAL_EXPIRED,
    ApprovalStatus.FAILED: EventType.APPROVAL_FAILED,
}


def tell_of(approval: Approval) -> None:
    """Tell in the open transaction how an approval stands now."""
    facts = {
        "id": str(approval.id),
        "action": approval.action,
        "status": approval.status,
        "summary": approval.summary,
        "requested_by": approval.requested_by,
        "decided_by": approval.decided_by or None,
        "transfer_id": None if approval.transfer_id is None else str(approval.transfer_id),
        "failure_code": approval.failure_code or None,
    }
    tell(Happening(_TYPES[ApprovalStatus(approval.status)], facts={"approval": facts}))
