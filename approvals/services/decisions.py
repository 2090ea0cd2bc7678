"""The decision about an approval.

Approving carries the command out as it was, against the facts of that moment. It is decided in the
transaction that carries it out, so an interruption leaves both done or neither.

If the ledger refuses, the approval has failed for good, with the code. If it cannot answer now, the
approval still waits. Nobody decides about what they asked for themselves. Synchronous, for reader
threads and the admin; no function may be called inside a transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from uuid import UUID

from django.db.models.functions import Now
from msgspec import Struct

from approvals.domain.errors import ApprovalDecided, ApprovalNotFound
from approvals.domain.operations import (
    AppendVersion,
    CloseMerchant,
    ConfirmDeposit,
    Movement,
    SetOverdraft,
    decode,
)
from approvals.domain.states import ApprovalStatus
from approvals.models import Approval
from approvals.selectors.approvals import ApprovalFacts, get_approval
from approvals.selectors.persons import of_one_person
from approvals.services.changes import carry_out_change
from approvals.services.events import tell_of
from ledger_project.kernel.actors import PermissionDenied
from ledger_project.kernel.errors import LedgerError, Unavailable
from merchants.services import state_change
from transfers.domain.outcome import required
from transfers.posting.jobs import Alongside, Key, Result
from transfers.posting.synchronous import post_or_forget
from transfers.services.deposit_requests import confirm_deposit

KEY_OWNER = "approval"
"""The owner of the keys that are made from approvals. No caller has them."""


class Decider(Struct, frozen=True):
    """Who decides, and in which request."""

    principal: str
    request_id: str


def approve(approval_id: UUID, decider: Decider) -> ApprovalFacts:
    """Approve, and carry the command out. Return the approval as it is then: approved, or failed.

    Doing it twice is doing it once. Raises ``ApprovalNotFound``, ``PermissionDenied`` for who
    asked, ``ApprovalDecided`` for what does not wait any more, and ``Unavailable``: then it still
    waits.
    """
    approval = _found(approval_id, decider)
    if approval is not None:
        with suppress(ApprovalDecided):  # meanwhile; _decided_by raises it, unless by this person
            _carry_out_or_fail(approval, decider)
    return _decided_by(approval_id, decider, {ApprovalStatus.APPROVED, ApprovalStatus.FAILED})


def reject(approval_id: UUID, reason: str, decider: Decider) -> ApprovalFacts:
    """Reject, for a reason that who asked reads. Doing it twice is doing it once.

    Raises ``ApprovalNotFound``, ``PermissionDenied`` for who asked, and ``ApprovalDecided``.
    """
    if _found(approval_id, decider) is not None:
        with suppress(ApprovalDecided), state_change():
            _decide(approval_id, decider, ApprovalStatus.REJECTED, decision_reason=reason)
    return _decided_by(approval_id, decider, {ApprovalStatus.REJECTED})


def _found(approval_id: UUID, decider: Decider) -> Approval | None:
    """Return an approval that may be decided now; None if this person has decided it before."""
    approval = Approval.objects.filter(id=approval_id).first()
    if approval is None:
        raise ApprovalNotFound(approval_id)
    if of_one_person([approval.requested_by], decider.principal):
        raise PermissionDenied("Who asked for an approval does not decide about it: that is for another person.")
    return None if approval.status != ApprovalStatus.PENDING and approval.decided_by == decider.principal else approval


def _carry_out_or_fail(approval: Approval, decider: Decider) -> None:
    try:
        _carry_out(approval, decider)
    except (Unavailable, ApprovalDecided):
        raise
    except LedgerError as refusal:
        _fail(approval.id, decider, refusal)


def _carry_out(approval: Approval, decider: Decider) -> None:
    operation = decode(approval.operation)
    approved = partial(_decide, approval.id, decider, ApprovalStatus.APPROVED)

    def posted(results: Sequence[Result]) -> None:
        approved(transfer_id=results[0].transfer_id)

    if isinstance(operation, ConfirmDeposit):
        done = confirm_deposit(
            operation.deposit_request_id,
            operation.bank_reference,
            principal=approval.requested_by,
            http_request_id=approval.request_id,
            alongside=posted,
        )
        if done.is_repeat:  # somebody has confirmed it without this approval, or before a policy was there
            with state_change():
                approved(transfer_id=done.transfer_id)
    elif isinstance(operation, SetOverdraft | CloseMerchant | AppendVersion):
        with state_change():
            approved()
            carry_out_change(operation, requested_by=approval.requested_by)
    else:
        _post(operation, approval, posted)


def _post(operation: Movement, approval: Approval, posted: Alongside) -> None:
    result = post_or_forget(operation, Key(KEY_OWNER, str(approval.id), bytes(approval.fingerprint)), alongside=posted)
    if result.refusal is not None:
        raise result.refusal


def _decide(approval_id: UUID, decider: Decider, status: ApprovalStatus, **values: object) -> None:
    """Write a decision in the open transaction.

    Raises ``ApprovalDecided`` unless it still waits.
    """
    waiting = Approval.objects.select_for_update().filter(id=approval_id)
    in_time = waiting.filter(status=ApprovalStatus.PENDING.value, expires_at__gt=Now()).first()
    if in_time is None:
        raise ApprovalDecided(approval_id, required(get_approval(approval_id)).status)
    written = {"status": status.value, "decided_by": decider.principal, "decided_at": Now(), **values}
    for name, value in written.items():
        setattr(in_time, name, value)
    in_time.save(update_fields=list(written))
    tell_of(in_time)


def _fail(approval_id: UUID, decider: Decider, refusal: LedgerError) -> None:
    with state_change():
        _decide(approval_id, decider, ApprovalStatus.FAILED, failure_code=refusal.code, failure_detail=str(refusal))


def _decided_by(approval_id: UUID, decider: Decider, wanted: set[ApprovalStatus]) -> ApprovalFacts:
    """Return an approval that was decided so by this person. Raises ``ApprovalDecided``."""
    found = required(get_approval(approval_id))
    if found.decided_by != decider.principal or found.status not in wanted:
        raise ApprovalDecided(approval_id, found.status)
    return found
