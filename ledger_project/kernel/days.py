"""Days and moments that people type or that stand in an address: whole and usable, or none."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

FIRST_YEAR, LAST_YEAR = 1970, 8999
"""Years that are taken: a few days or a time zone more or less never leave what Python and PostgreSQL can hold."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_TIME = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
_MOMENT = re.compile(rf"{_DAY.pattern}[T ]{_TIME}(?:Z|[+-][0-9]{{2}}:[0-9]{{2}})", re.ASCII)


def day_of(text: str | None) -> date | None:
    """Return the day that an ISO date names; None where it is none, or none that can be used."""
    if not text or _DAY.fullmatch(text) is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if FIRST_YEAR <= day.year <= LAST_YEAR else None


def moment_of(text: str) -> datetime | None:
    """Return the moment, in UTC, that an ISO time with its offset names; None where it is none, or none that can be used."""
    if _MOMENT.fullmatch(text) is None:
        return None
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if FIRST_YEAR <= moment.year <= LAST_YEAR else None
