"""The days that figures are asked for."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from ledger_project.kernel.errors import ValidationFailed

DEFAULT_DAYS = 30
LONGEST_DAYS = 366
"""Days of a period at most. A chart of more days cannot be read."""

EARLIEST, LATEST = date(1970, 1, 1), date(8999, 12, 31)
"""Days that a period may have.

Nothing was posted before, and the days around a period must exist too.
"""


def resolve_period(first: date | None, last: date | None) -> tuple[date, date]:
    """Return the first and the last day of a period, by default the last 30 until today (UTC).

    Raises ``ValidationFailed``.
    """
    for name, day in (("from", first), ("to", last)):
        if day is not None and not EARLIEST <= day <= LATEST:
            raise ValidationFailed.of(name, "invalid", f"a day from {EARLIEST} to {LATEST} is expected")
    today = datetime.now(UTC).date()
    last = last or max(today, first or today)
    first = first or last - timedelta(days=DEFAULT_DAYS - 1)
    if first > last:
        raise ValidationFailed.of("from", "invalid", "the period begins after its end")
    if (last - first).days >= LONGEST_DAYS:
        raise ValidationFailed.of("from", "max_value", f"a period is {LONGEST_DAYS} days at most")
    return first, last
