"""Refusing to post by a clock that cannot be right.

Every entry's time is the database's clock, and history is never changed: a time in the future stays, is handed on to every account that is
paid from there, and keeps holds from expiring and lists from their order. So two clocks must agree before anything is posted.
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
    """Raise ``ClocksDiffer`` unless the database's clock, read between two readings of ours, agrees with them.

    Two readings, since there is a wait for locks, or a process that was stopped, between the question and the answer.
    """
    earliest, latest = between
    difference = max(database - latest, earliest - database, timedelta())
    if difference.total_seconds() > settings.LEDGER_CLOCK_TOLERANCE:
        seconds = round(difference.total_seconds(), 3)
        metrics.CLOCK_REFUSALS.labels("database").inc()
        log.error("posting.clocks_differ", difference_s=seconds, database=database.isoformat(), process=latest.isoformat())
        raise ClocksDiffer(seconds)


def report_account_ahead(error: AccountAheadOfClock) -> None:
    """Tell operators about an account that takes no postings before its last entry's time has come."""
    metrics.CLOCK_REFUSALS.labels("account").inc()
    log.error("posting.account_ahead_of_clock", account_id=str(error.account_id), last_entry=error.last_at)
