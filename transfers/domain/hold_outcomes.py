"""The outcome of every action on a hold, its amounts included: each is said here and nowhere else.

``HOLD_OUTCOMES`` says which action is refused, and which status it leads to otherwise.
``share_reserve`` says where the reserved money goes. ``holds.py`` carries both out.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from ledger_project.kernel.refusals import CaptureExceedsHold, HoldExpired, HoldNotOpen, Refusal


class HoldStatus(StrEnum):
    """The status of a hold, as it is stored."""

    OPEN = "open"
    CAPTURED = "captured"
    VOIDED = "voided"
    EXPIRED = "expired"


class HoldPhase(StrEnum):
    """The phase of a hold: its status, except that an open hold whose time ran out has lapsed."""

    OPEN = "open"
    LAPSED = "lapsed"
    CAPTURED = "captured"
    VOIDED = "voided"
    EXPIRED = "expired"


class HoldAction(StrEnum):
    """An action on a hold. A capture of more than the hold's amount is an action of its own."""

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
    """Return the phase of a hold at a moment. A hold lapses at ``expires_at`` exactly."""
    if status is HoldStatus.OPEN and expires_at <= now:
        return HoldPhase.LAPSED
    return HoldPhase(status.value)


def capture_action(held_minor: int, requested_minor: int) -> HoldAction:
    """Return which action a capture is, by the amount of its hold."""
    return HoldAction.CAPTURE if requested_minor <= held_minor else HoldAction.CAPTURE_BEYOND


class ReserveShares(NamedTuple):
    """The shares of a hold's reserve, in minor units. They add up to the reserve."""

    receiver_minor: int
    fees_minor: int
    payer_minor: int


def share_reserve(reserved_minor: int, *, captured_minor: int = 0, fee_minor: int = 0) -> ReserveShares:
    """Return where the reserve of a hold goes. Without a capture, all of it goes back to the payer.

    The receiver gets the captured amount. The payer's fee comes next. The reserve may be too small
    for it, since a part can cost more than the whole; the payer's wallet pays the difference. The
    rest of the reserve goes back to the payer.
    """
    fees_minor = min(fee_minor, reserved_minor - captured_minor)
    return ReserveShares(captured_minor, fees_minor, reserved_minor - captured_minor - fees_minor)
