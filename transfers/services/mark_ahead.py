"""A mark that a wrong clock has taken into the future, taken back.

A posting has a time after the feed's candidate, and no posting may be in the future. So a clock
that was a day ahead for a second would stop all postings for a day. Nothing was posted there
usually: then both marks go back to the newest event. No cursor of an event is passed by that. (A
merchant's cursor of a moment in the future is refused: it reads on from the last event it knows.)
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog
from django.db import connection, transaction

from transfers.selectors.mark import get_feed_state_now
from transfers.services.mark import clocks_agree

log = structlog.get_logger(__name__)

AHEAD = timedelta(seconds=10)
"""From here on the guards refuse a posting as one in the future (sql/guards.sql): no posting that
is under way has a time after the candidate."""

_LOCK_FIGURES = "SELECT FROM transfers_rollupmark WHERE id = 1 FOR UPDATE SKIP LOCKED"

_NEWEST = """
SELECT greatest((SELECT created_at FROM transfers_transfer ORDER BY id DESC LIMIT 1),
    (SELECT created_at FROM transfers_event ORDER BY id DESC LIMIT 1), timestamptz '2000-01-01T00:00:00Z')
"""

_TAKE_BACK = """
UPDATE transfers_feedmark SET id = id + 1, settled_until = least(settled_until, %(newest)s), candidate_xid = NULL,
    candidate_until = greatest(%(newest)s, clock_timestamp())
WHERE id = (SELECT id FROM transfers_feedmark WHERE id = %(version)s FOR UPDATE SKIP LOCKED) RETURNING id
"""

_TAKE_FIGURES_BACK = """
UPDATE transfers_rollupmark SET rolled_until = %(newest)s::timestamptz + interval '1 microsecond'
WHERE id = 1 AND rolled_until > %(newest)s::timestamptz + interval '1 microsecond'
"""


def take_mark_back() -> bool:
    """Take the mark back if it is in the future by a clock that is not wrong any more; return
    whether it was. Synchronous.

    It stays where an event is there too: who has read that must find nothing put in behind it.
    """
    before = datetime.now(UTC)
    state = get_feed_state_now()
    if state.candidate_until <= state.now + AHEAD or not clocks_agree(state.now, before, datetime.now(UTC)):
        return False
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK_FIGURES)  # the order of the locks is that of a backdated posting
        if cursor.fetchone() is None:
            return False
        cursor.execute(_NEWEST)
        (newest,) = cursor.fetchone()
        if newest > state.now + AHEAD:
            log.error("feed.ahead_of_clock", newest=newest.isoformat(), database=state.now.isoformat())
            return False
        cursor.execute(_TAKE_BACK, {"newest": newest, "version": state.version})
        is_ours = cursor.fetchone() is not None
        if is_ours:
            cursor.execute(_TAKE_FIGURES_BACK, {"newest": newest})
            log.error("feed.mark_taken_back", candidate=state.candidate_until.isoformat(), newest=newest.isoformat())
    return is_ours
