"""What happens in the ledger, by name, and how the apps below the journal tell of it.

Imports run downwards, so the services of merchants and fees cannot write an event. They call
``tell`` inside their transaction, and the recorder that ``transfers`` has registered writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID


class EventType(StrEnum):
    """The type of an event of the feed."""

    TRANSFER_POSTED = "transfer.posted"
    DEPOSIT_POSTED = "deposit.posted"
    WITHDRAWAL_POSTED = "withdrawal.posted"
    OPENING_POSTED = "opening.posted"
    REVERSAL_POSTED = "reversal.posted"
    EXCHANGE_POSTED = "exchange.posted"
    HOLD_PLACED = "hold.placed"
    HOLD_CAPTURED = "hold.captured"
    HOLD_VOIDED = "hold.voided"
    HOLD_EXPIRED = "hold.expired"
    FEES_SETTLED = "fees.settled"
    MERCHANT_CREATED = "merchant.created"
    MERCHANT_UPDATED = "merchant.updated"
    MERCHANT_FROZEN = "merchant.frozen"
    MERCHANT_UNFROZEN = "merchant.unfrozen"
    MERCHANT_CLOSED = "merchant.closed"
    ACCOUNT_OPENED = "account.opened"
    ACCOUNT_FROZEN = "account.frozen"
    ACCOUNT_UNFROZEN = "account.unfrozen"
    ACCOUNT_OVERDRAFT_CHANGED = "account.overdraft_changed"
    POSITIONS_SETTLED = "positions.settled"
    FEE_SCHEDULE_APPENDED = "fee_schedule.appended"
    RECEIPT_SENT = "receipt.sent"
    WEBHOOK_DISABLED = "webhook.disabled"
    APPROVAL_REQUESTED = "approval.requested"
    APPROVAL_APPROVED = "approval.approved"
    APPROVAL_REJECTED = "approval.rejected"
    APPROVAL_EXPIRED = "approval.expired"
    APPROVAL_FAILED = "approval.failed"
    APPROVAL_POLICY_CHANGED = "approval_policy.changed"


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened, to whom, and its facts.

    The recorder reads the facts of a merchant or of an account itself, so that they are those of
    the moment.
    """

    type: EventType
    merchant_id: UUID | None = None
    account_id: UUID | None = None
    facts: Mapping[str, object] = field(default_factory=dict)


Recorder = Callable[[Happening], object]

_recorders: list[Recorder] = []


def record_with(recorder: Recorder) -> None:
    """Have this function write what is told from now on."""
    _recorders[:] = [recorder]


def tell(happening: Happening) -> None:
    """Write an event in the open transaction. It is there if the change is, and not otherwise.

    Raises ``LookupError`` without a recorder: nothing that happened is lost in silence.
    """
    if not _recorders:
        raise LookupError("no recorder of events is registered")
    _recorders[0](happening)
