"""What may become of a hold, as data: every state and every action has its outcome here and nowhere else."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from ledger_project.kernel.refusals import HoldExpired, HoldNotOpen, Refusal


class HoldStatus(StrEnum):
    """Where a hold stands."""

    OPEN = "open"
    CAPTURED = "captured"
    VOIDED = "voided"
    EXPIRED = "expired"


class HoldPhase(StrEnum):
    """A hold's status, with the one distinction that time makes: an open hold whose time ran out has lapsed."""

    OPEN = "open"
    LAPSED = "lapsed"
    CAPTURED = "captured"
    VOIDED = "voided"
    EXPIRED = "expired"


class HoldAction(StrEnum):
    """What may be done to a hold."""

    CAPTURE = "capture"
    VOID = "void"
    EXPIRE = "expire"


HOLD_OUTCOMES: Mapping[tuple[HoldPhase, HoldAction], HoldStatus | type[Refusal]] = {
    (HoldPhase.OPEN, HoldAction.CAPTURE): HoldStatus.CAPTURED,
    (HoldPhase.OPEN, HoldAction.VOID): HoldStatus.VOIDED,
    (HoldPhase.OPEN, HoldAction.EXPIRE): HoldStatus.OPEN,  # not due: the sweep leaves it
    (HoldPhase.LAPSED, HoldAction.CAPTURE): HoldExpired,
    (HoldPhase.LAPSED, HoldAction.VOID): HoldExpired,
    (HoldPhase.LAPSED, HoldAction.EXPIRE): HoldStatus.EXPIRED,
    (HoldPhase.CAPTURED, HoldAction.CAPTURE): HoldNotOpen,
    (HoldPhase.CAPTURED, HoldAction.VOID): HoldNotOpen,
    (HoldPhase.CAPTURED, HoldAction.EXPIRE): HoldNotOpen,
    (HoldPhase.VOIDED, HoldAction.CAPTURE): HoldNotOpen,
    (HoldPhase.VOIDED, HoldAction.VOID): HoldNotOpen,
    (HoldPhase.VOIDED, HoldAction.EXPIRE): HoldNotOpen,
    (HoldPhase.EXPIRED, HoldAction.CAPTURE): HoldExpired,
    (HoldPhase.EXPIRED, HoldAction.VOID): HoldExpired,
    (HoldPhase.EXPIRED, HoldAction.EXPIRE): HoldExpired,
}


def phase_of(status: HoldStatus, expires_at: datetime, now: datetime) -> HoldPhase:
    """Return the phase of a hold at a moment; it lapses at ``expires_at`` exactly."""
    if status is HoldStatus.OPEN and expires_at <= now:
        return HoldPhase.LAPSED
    return HoldPhase(status.value)
