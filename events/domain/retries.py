"""When a delivery that failed is sent again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 6 * 3600.0
TRIED_FOR = timedelta(days=3)
"""From the first attempt to the last one."""

GONE = 410
"""The status of a receiver that wants no more."""

_JITTER = 0.2
_DOUBLINGS = 20


def pause_s(failures: int, *, chance: float) -> float:
    """Return the seconds after so many failed attempts (1 or more): about 5, then twice as long
    each time, at most six hours.

    ``chance`` is a random number from 0 to 1: a fifth more or less, so that what failed together
    does not come back together.
    """
    pause = min(FIRST_PAUSE_S * 2.0 ** min(failures - 1, _DOUBLINGS), LONGEST_PAUSE_S)
    return pause * (1 - _JITTER + 2 * _JITTER * chance)


def next_attempt(*, first_at: datetime, now: datetime, failures: int, asked_s: float | None, chance: float) -> datetime | None:
    """Return when a delivery is sent again; None if this was its last attempt.

    ``asked_s`` is what the receiver's ``Retry-After`` says. It can make a pause longer, up to six
    hours, and never shorter: a receiver must not have itself called without end. An attempt that
    would be later than three days after the first one is made at that time, and is the last.
    """
    last_at = first_at + TRIED_FOR
    if now >= last_at:
        return None
    pause = pause_s(failures, chance=chance)
    if asked_s is not None:
        pause = max(pause, min(asked_s, LONGEST_PAUSE_S))
    return min(now + timedelta(seconds=pause), last_at)


def retry_after_s(text: str | None, *, now: datetime) -> float | None:
    """Return the seconds of a ``Retry-After`` header (RFC 9110, section 10.2.3): a number or a
    date. None for none, and for what is neither.
    """
    if text is None or len(text) > 40:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())
