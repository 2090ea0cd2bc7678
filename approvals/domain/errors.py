"""Why an approval cannot be decided so."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from ledger_project.kernel.refusals import Refusal


class ApprovalNotFound(Refusal):
    """No approval has that id."""

    code = "approval_not_found"
    title = "Approval not found"

    def __init__(self, approval_id: UUID | str) -> None:
        super().__init__(f"There is no approval {approval_id}.")
        self.approval_id = str(approval_id)

    def extra(self) -> Mapping[str, object]:
        """The id."""
        return {"approval_id": self.approval_id}


class ApprovalDecided(Refusal):
    """The approval was decided otherwise, or its time is over: it does not wait any more."""

    code = "approval_decided"
    title = "Approval decided"

    def __init__(self, approval_id: UUID, status: str) -> None:
        super().__init__(f"Approval {approval_id} does not wait any more: it is {status}.")
        self.approval_id, self.status = str(approval_id), status

    def extra(self) -> Mapping[str, object]:
        """The id, and how it was decided."""
        return {"approval_id": self.approval_id, "approval_status": self.status}


class ApprovalRequired(Refusal):
    """A policy wants a second person, and this call has no room for a request: send it alone."""

    code = "approval_required"
    title = "Approval required"

    def __init__(self, action: str) -> None:
        super().__init__(f"A {action} of this amount needs the approval of a second person. Send it alone: it becomes a request.")
        self.action = action

    def extra(self) -> Mapping[str, object]:
        """The action of the policy."""
        return {"action": self.action}
