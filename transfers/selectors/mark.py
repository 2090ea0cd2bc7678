"""The mark of the feed, as it is now."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple, cast

from django.db import connection

from transfers.sql.mark import newest_mark


class FeedState(NamedTuple):
    """How far the feed is settled, by the database's clock.

    ``version`` counts the writes of the mark. ``is_foreign`` says that the candidate's number was
    given by another server: this one restored a dump. ``has_news`` says that there is an event
    which is not settled yet.
    """

    version: int
    settled_until: datetime
    candidate_until: datetime
    candidate_xid: int | None
    moved_at: datetime
    now: datetime
    is_foreign: bool
    has_news: bool

    @property
    def lag_s(self) -> float:
        """How far the mark is behind the clock, in seconds."""
        return (self.now - self.settled_until) / timedelta(seconds=1)


_UNSETTLED = "id >= ledger_first_id(m.settled_until + interval '1 microsecond')"

FEED_STATE = f"""
SELECT m.id, m.settled_until, m.candidate_until, m.candidate_xid, m.moved_at, clock_timestamp(),
    coalesce(m.candidate_xid >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint, false),
    EXISTS (SELECT FROM transfers_transfer WHERE {_UNSETTLED}) OR EXISTS (SELECT FROM transfers_event WHERE {_UNSETTLED})
FROM ({newest_mark("*")}) m
"""
"""The columns of ``FeedState``. One row."""


def get_feed_state_now() -> FeedState:
    """Return the state of the feed. One round trip. Synchronous."""
    with connection.cursor() as cursor:
        cursor.execute(FEED_STATE)
        return FeedState(*cast("tuple[int, datetime, datetime, int | None, datetime, datetime, bool, bool]", cursor.fetchone()))
