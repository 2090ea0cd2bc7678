"""The mark of the feed moves: the moment behind which nothing can appear any more.

Ids are made of the time that a posting reads under its locks, and postings commit out of order. So
a reader that goes on from the last id that it saw would miss what commits late. The feed is read up
to the mark only. The mark is right whatever the clocks do:

1. ``PROPOSE`` sets the candidate C to the database's time, or to a microsecond after the candidate
   before if that is later. It commits.
2. ``NUMBER`` is a later transaction, of a mover that has read C. It takes a transaction number X
   and keeps it.
3. Every posting gets its transaction number first, and reads its time in a later statement: the
   clock's, but at least a microsecond after C, with C read in that statement (``CLOCK`` in
   transfers/posting/sql.py). A posting with a number above X got it after C was committed, so its
   time is above C. A posting with a number below X is over once the oldest number that is still in
   use (``pg_snapshot_xmin``) is X or more.
4. ``SETTLE`` sees that. Then every id at or below C that will ever exist is visible, and the mark
   becomes C.

X must be a number that was given after C was committed. ``pg_snapshot_xmax`` is not such a number:
it is one more than the highest number that has *ended*, and a posting that got its number before C
was committed may have a higher one.

No clock is compared with another. A server whose clock goes back changes nothing, nor does a
standby that is promoted: the row is replicated like the journal. A transaction that runs long and
writes, anywhere in the cluster, holds the mark back: late, never wrong.

Each step is one statement, which commits by itself and names the write of the row that the mover
has read (``id``). So several processes may move the mark at once, and each may be killed anywhere:
a step that comes second changes nothing, and the next mover goes on from what is there. Only
``PROPOSE`` must be durable. A mark or a number that a crash takes back is found again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

import structlog
from django.conf import settings
from django.db import connection
from django.db.transaction import TransactionManagementError

from ledger_project.database.loop_connection import Row
from transfers.selectors.mark import FEED_STATE, FeedState

log = structlog.get_logger(__name__)

# A row that somebody else writes is left to him.
_STEP = """
UPDATE transfers_feedmark SET id = id + 1, {changes}
WHERE id = (SELECT id FROM transfers_feedmark WHERE id = %s FOR UPDATE SKIP LOCKED){condition}
RETURNING id, settled_until, candidate_until, candidate_xid{and_so}
"""

# What a crash may take back need not be on the disk.
_LAZILY = ", set_config('synchronous_commit', 'off', true)"

PROPOSE = _STEP.format(
    changes="candidate_until = greatest(candidate_until + interval '1 microsecond', clock_timestamp()), candidate_xid = NULL",
    condition="",
    and_so="",
)
NUMBER = _STEP.format(changes="candidate_xid = pg_current_xact_id()::text::bigint", condition="", and_so=_LAZILY)
SETTLE = _STEP.format(
    changes="settled_until = candidate_until, candidate_xid = NULL, moved_at = clock_timestamp()",
    condition=" AND candidate_xid <= pg_snapshot_xmin(pg_current_snapshot())::text::bigint",
    and_so=_LAZILY,
)
FORGET_NUMBER = _STEP.format(changes="candidate_xid = NULL", condition="", and_so=_LAZILY)

Steps = Generator[tuple[str, Sequence[object]], Sequence[Row], FeedState]
"""The statements of a move, each answered with its rows; returns the state that it left."""

MOST_STEPS = 8
"""Steps of one move at most. A candidate that was left behind, and a new one, take five; a foreign
number one more."""


def move_steps(is_due: Callable[[FeedState], bool] = lambda _: True) -> Steps:
    """Read the state; if a move ``is_due``, move the mark to a candidate of this moment.

    The mark stays behind where a transaction that began before is still running, where another
    mover is faster, and while the clock of the database is not that of this process: a candidate in
    the future would take all postings there.
    """
    before = datetime.now(UTC)
    rows = yield FEED_STATE, ()
    state = FeedState(*rows[0])  # type: ignore[arg-type]  # the columns of FEED_STATE
    after = datetime.now(UTC)
    if not is_due(state):
        return state
    is_proposed = False
    for _ in range(MOST_STEPS):
        step = _next_step(state)
        if step is PROPOSE:
            if is_proposed or not clocks_agree(state.now, before, after):
                break
            is_proposed = True
        rows = yield step, [state.version]
        if not rows:
            break
        version, settled, candidate, number = cast("tuple[int, datetime, datetime, int | None]", rows[0][:4])
        state = state._replace(version=version, settled_until=settled, candidate_until=candidate, candidate_xid=number, is_foreign=False)
    return state


def _next_step(state: FeedState) -> str:
    if state.is_foreign:
        return FORGET_NUMBER
    if state.candidate_xid is not None:
        return SETTLE
    return NUMBER if state.candidate_until > state.settled_until else PROPOSE


def clocks_agree(database: datetime, before: datetime, after: datetime) -> bool:
    """Whether the database's time, read between two readings of ours, agrees with them."""
    tolerance = timedelta(seconds=settings.LEDGER_CLOCK_TOLERANCE)
    agree = before - tolerance <= database <= after + tolerance
    if not agree:
        log.error("feed.clocks_differ", database=database.isoformat(), process=after.isoformat())
    return agree


def move_mark() -> FeedState:
    """Move the mark, from synchronous code. Raises ``TransactionManagementError`` inside a
    transaction: each step must commit by itself.
    """
    if connection.in_atomic_block:
        raise TransactionManagementError("the mark moves in transactions of its own")
    steps = move_steps()
    try:
        statement, parameters = next(steps)
        while True:
            with connection.cursor() as cursor:
                cursor.execute(statement, cast("list[int]", parameters))
                rows = cursor.fetchall()
            statement, parameters = steps.send(rows)
    except StopIteration as end:
        state: FeedState = end.value
        return state
