"""The outcome of every action on a hold, its amounts included: each is said here and nowhere else.

``HOLD_OUTCOMES`` says which action is refused, and which status it leads to otherwise. ``share_reserve`` says where the
reserved money goes. ``holds.py`` carries both out.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from ledger_project.kernel.refusals import CaptureExceedsHold, HoldExpired, HoldNotOpen, Refusal


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
    """What a command does to a hold. A capture may not exceed its hold, so one of more is an action of its own."""

    CAPTURE = "capture"
    CAPTURE_BEYOND = "capture_beyond"
    VOID = "void"
    EXPIRE = "expire"


HOLD_OUTCOMES: Mapping[tuple[HoldPhase, HoldAction], HoldStatus | type[Refusal]] = {
    (HoldPhase.OPEN, HoldAction.CAPTURE): HoldStatus.CAPTURED,
    (HoldPhase.OPEN, HoldAction.CAPTURE_BEYOND): CaptureExceedsHold,
    (HoldPhase.OPEN, HoldAction.VOID): HoldStatus.VOIDED,
    (HoldPhase.OPEN, HoldAction.EXPIRE): HoldStatus.OPEN,  # not due: the sweep leaves it
    (HoldPhase.LAPSED, HoldAction.CAPTURE): HoldExpired,
    (HoldPhase.LAPSED, HoldAction.CAPTURE_BEYOND): HoldExpired,
    (HoldPhase.LAPSED, HoldAction.VOID): HoldExpired,
    (HoldPhase.LAPSED, HoldAction.EXPIRE): HoldStatus.EXPIRED,
    (HoldPhase.CAPTURED, HoldAction.CAPTURE): HoldNotOpen,
    (HoldPhase.CAPTURED, HoldAction.CAPTURE_BEYOND): HoldNotOpen,
    (HoldPhase.CAPTURED, HoldAction.VOID): HoldNotOpen,
    (HoldPhase.CAPTURED, HoldAction.EXPIRE): HoldNotOpen,
    (HoldPhase.VOIDED, HoldAction.CAPTURE): HoldNotOpen,
    (HoldPhase.VOIDED, HoldAction.CAPTURE_BEYOND): HoldNotOpen,
    (HoldPhase.VOIDED, HoldAction.VOID): HoldNotOpen,
    (HoldPhase.VOIDED, HoldAction.EXPIRE): HoldNotOpen,
    (HoldPhase.EXPIRED, HoldAction.CAPTURE): HoldExpired,
    (HoldPhase.EXPIRED, HoldAction.CAPTURE_BEYOND): HoldExpired,
    (HoldPhase.EXPIRED, HoldAction.VOID): HoldExpired,
    (HoldPhase.EXPIRED, HoldAction.EXPIRE): HoldExpired,
}


def phase_of(status: HoldStatus, expires_at: datetime, now: datetime) -> HoldPhase:
    """Return the phase of a hold at a moment; it lapses at ``expires_at`` exactly."""
    if status is HoldStatus.OPEN and expires_at <= now:
        return HoldPhase.LAPSED
    return HoldPhase(status.value)


def capture_action(held_minor: int, requested_minor: int) -> HoldAction:
    """Return which action a capture is, by the amount of its hold."""
    return HoldAction.CAPTURE if requested_minor <= held_minor else HoldAction.CAPTURE_BEYOND


class ReserveShares(NamedTuple):
    """Where the reserved money goes when its hold ends, in minor units. The shares add up to what was reserved."""

    receiver_minor: int
    fees_minor: int
    payer_minor: int


def share_reserve(reserved_minor: int, *, captured_minor: int = 0, fee_minor: int = 0) -> ReserveShares:
    """Return the shares of a hold's reserve; without a capture all of it goes back to the payer.

    The receiver gets what is captured. The fee that the payer owes comes next: a part may be dearer than the whole, so the reserve
    may not suffice, and the payer's wallet pays what is missing. The rest is released.
    """
    fees_minor = min(fee_minor, reserved_minor - captured_minor)
    return ReserveShares(captured_minor, fees_minor, reserved_minor - captured_minor - fees_minor)
