"""No posting by a clock that cannot be right.

Every entry's time is the database's clock, and history is never changed. A time in the future would
stay, would pass to every account that is paid from there, and would spoil the expiry of holds and
the order of lists. So two clocks must agree before a posting.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog
from django.conf import settings

from ledger_project.kernel.errors import AccountAheadOfClock, ClocksDiffer
from ledger_project.observability import metrics

log = structlog.get_logger(__name__)


def process_clock() -> datetime:
    """Return this process's time."""
    return datetime.now(UTC)


def check_clocks(database: datetime, *, between: tuple[datetime, datetime]) -> None:
    """Raise ``ClocksDiffer`` unless the database's clock, read between two readings of ours, agrees
    with them.

    There are two readings of ours, since a wait for locks, or a stop of this process, may lie
    between the question and the answer.
    """
    earliest, latest = between
    difference = max(database - latest, earliest - database, timedelta())
    if difference.total_seconds() > settings.LEDGER_CLOCK_TOLERANCE:
        seconds = round(difference.total_seconds(), 3)
        metrics.CLOCK_REFUSALS.labels("database").inc()
        log.error("posting.clocks_differ", difference_s=seconds, database=database.isoformat(), process=latest.isoformat())
        raise ClocksDiffer(seconds)


def report_account_ahead(error: AccountAheadOfClock) -> None:
    """Tell operators about an account that takes no postings before the time of its last entry."""
    metrics.CLOCK_REFUSALS.labels("account").inc()
    log.error("posting.account_ahead_of_clock", account_id=str(error.account_id), last_entry=error.last_at)
