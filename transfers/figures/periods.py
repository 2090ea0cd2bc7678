"""The summary that the dashboard and the API show: the figures brought up to date, then read."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from ledger_project.kernel.errors import UnknownCurrency, ValidationFailed
from merchants.selectors import find_currency_now
from transfers.figures.refresh import refresh_rollups
from transfers.figures.summary import Summary, currencies_in_use, get_summary

DEFAULT_DAYS = 30
LONGEST_DAYS = 366
"""Days of a period at most: the figures of a day are few, but a page of ten years helps nobody."""

EARLIEST, LATEST = date(1970, 1, 1), date(8999, 12, 31)
"""Days that a period may have. Nothing was posted before, and the days around a period must exist too."""

_FALLBACK = "USD"


def resolve_period(first: date | None, last: date | None) -> tuple[date, date]:
    """Return a period of days, both included; by default the last 30 until today (UTC). Raises ``ValidationFailed``."""
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


def read_summary(code: str | None, first: date | None, last: date | None) -> Summary:
    """Return the figures of a currency (by default the busiest of the period). Synchronous.

    One step of the rollups is taken first: on a running service that is all there is, and nobody waits for a long history here.
    Raises ``ValidationFailed`` and ``UnknownCurrency``.
    """
    first, last = resolve_period(first, last)
    refresh_rollups(steps=1)
    in_use = currencies_in_use(first)
    chosen = code or (in_use[0] if in_use else _FALLBACK)
    currency = find_currency_now(chosen)
    if currency is None:
        raise UnknownCurrency(chosen)
    return get_summary(currency, first=first, last=last)
