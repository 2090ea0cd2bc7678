"""A refresh of the daily figures: it adds what was posted since the last one.

*Each once.* A refresh locks the mark, adds the transfers between the mark and a later moment, and
moves the mark, in one transaction. Killed anywhere, it has done all or nothing, and the next one
goes on. A second process that finds the mark locked leaves the work to the first.

*None missed.* A transfer's time, which its id is made of, is that of its decision, a little before
its commit. So a transfer may appear that is older than one that can be seen already. The mark may
move to a moment T only when no transfer from before T can appear any more:

1. A posting transaction has its transaction number before it reads the clock (``CLOCK`` in
   ``transfers/posting/sql.py``), and a transfer's time is never before that reading. (It is later
   only where the account's last entry is later. Demo data says its own time; it takes the mark back
   to that time under the mark's lock: ``transfers/posting/backdating.py``.)
2. A refresh reads the clock (T) before it takes a transaction number (N) of its own. Numbers only
   grow, so any transaction that read the clock before T has a number below N.
3. When the oldest transaction that still runs is not below N, all of those are over, and a snapshot
   taken after that sees what they did.

Usually that is so at once and the mark moves to T. If not, the mark keeps (T, N) as its candidate,
and a later refresh asks again. No refresh waits or guesses how long a posting may take, and
prepared transactions count as running. All of this needs that the database server's clock is not
set back between two refreshes by more than ``CLOCK_MARGIN``. If that happens (a fail-over to a
server whose clock is behind), ``figure_differences`` finds it and ``rebuild_figures`` mends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from ledger_project.database.clock import database_now
from ledger_project.kernel.ids import first_uuid7_at, time_of
from transfers.figures import sql

STEP = 20_000
"""Transfers that one transaction adds at most.

A first refresh of a long history goes in steps, each committed.
"""

CLOCK_MARGIN = timedelta(milliseconds=200)
"""How far the figures stay behind the clock.

A server's clock may be corrected backwards by less than this without harm.
"""


@dataclass(frozen=True, slots=True)
class _Mark:
    rolled_until: datetime
    candidate_until: datetime | None
    candidate_xid: int | None


def _locked_mark() -> _Mark | None:
    """Return the mark, locked until the transaction ends; None while another process has it."""
    with connection.cursor() as cursor:
        cursor.execute(sql.LOCK_MARK)
        row = cursor.fetchone()
    return None if row is None else _Mark(*row)


def _transactions() -> tuple[int, int]:
    """Return this transaction's number, and that of the oldest one that still runs."""
    with connection.cursor() as cursor:
        cursor.execute(sql.TRANSACTIONS)
        own, _ = cursor.fetchone()
        # A second statement, after the number was given: the first one's snapshot is older than the
        # number.
        cursor.execute(sql.TRANSACTIONS)
        _, oldest = cursor.fetchone()
    return int(own), int(oldest)


def _settled(mark: _Mark, now: datetime, own: int, oldest: int) -> tuple[datetime | None, _Mark]:
    """Return the moment before which nothing can appear any more, and the mark to keep.

    The moment is None while it is not known.
    """
    if oldest >= own:
        return now, _Mark(mark.rolled_until, None, None)
    until, xid = mark.candidate_until, mark.candidate_xid
    if until is None or xid is None or xid > own:  # a restored dump begins its numbers anew: its candidate says nothing
        return None, _Mark(mark.rolled_until, now, own)
    if oldest >= xid:
        return until, _Mark(mark.rolled_until, now, own)
    return None, mark


def _step_end(low: datetime, high: datetime) -> datetime:
    """Return a moment until which there are about ``STEP`` transfers, ``high`` at the latest."""
    with connection.cursor() as cursor:
        cursor.execute(sql.STEP_END, {"low": first_uuid7_at(low), "high": first_uuid7_at(high), "step": STEP})
        row = cursor.fetchone()
    return high if row is None else max(time_of(row[0]), low + timedelta(microseconds=1))


def _add(low: datetime, high: datetime) -> None:
    # By ids, not by times: the primary key finds them, and ids are in the order of times
    # (kernel/ids.py).
    bounds = {"low": first_uuid7_at(low), "high": first_uuid7_at(high)}
    with connection.cursor() as cursor:
        cursor.execute(sql.IN_ORDER)
        for table in sql.SUMS:
            cursor.execute(sql.add_statement(table), bounds)


def _refresh_step() -> bool:
    """Add one step; return whether there is more to add at once."""
    now = database_now() - CLOCK_MARGIN
    with transaction.atomic():
        mark = _locked_mark()
        if mark is None:
            return False
        own, oldest = _transactions()
        settled, kept = _settled(mark, now, own, oldest)
        until = mark.rolled_until
        more = False
        if settled is not None and settled > mark.rolled_until:
            until = _step_end(mark.rolled_until, settled)
            _add(mark.rolled_until, until)
            more = until < settled
        with connection.cursor() as cursor:
            cursor.execute(sql.FOLD_REFUSALS)
            # A step that ended early leaves the candidate as it was.
            candidate = mark if more else kept
            cursor.execute(
                sql.SAVE_MARK,
                {"until": until, "candidate_until": candidate.candidate_until, "candidate_xid": candidate.candidate_xid},
            )
    return more


def refresh_figures(*, steps: int | None = None) -> None:
    """Bring the figures up to date, as far as is certain, in at most ``steps`` steps.

    Synchronous. Several processes may do it at once.
    """
    taken = 0
    while _refresh_step():
        taken += 1
        if steps is not None and taken >= steps:
            return


def rebuild_figures() -> None:
    """Throw the figures away and sum them up again from the journal.

    Counts of refusals stay: the journal does not have them.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM transfers_rollupmark WHERE id = 1 FOR UPDATE")
        for table in sql.SUMS:
            cursor.execute(f"DELETE FROM {table}")
        cursor.execute(sql.START_AFRESH)
    refresh_figures()
