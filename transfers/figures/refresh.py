"""A refresh of the daily figures: it adds what was posted since the last one.

*Each once.* A refresh locks the mark, adds the transfers between the mark and a later moment, and
moves the mark, in one transaction. Killed anywhere, it has done all or nothing, and the next one
goes on. A second process that finds the mark locked leaves the work to the first.

*None missed.* A transfer's time, which its id is made of, is that of its decision, a little before
its commit. So a transfer may appear that is older than one that can be seen already. The figures go
up to the mark of the feed, behind which nothing can appear any more (transfers/services/mark.py).
Demo data says its own time: it takes both marks back to that time under their locks
(``transfers/posting/backdating.py``).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import cast

from django.db import connection, transaction

from ledger_project.kernel.ids import first_uuid7_at, time_of
from transfers.figures import sql
from transfers.selectors.mark import get_feed_state_now
from transfers.services.mark import move_mark

STEP = 20_000
"""Transfers that one transaction adds at most.

A first refresh of a long history goes in steps, each committed.
"""


def _marks() -> tuple[datetime, datetime] | None:
    """Return how far the figures go, and how far the feed is settled.

    The mark of the figures is locked until the transaction ends; None while another process has it.
    """
    with connection.cursor() as cursor:
        cursor.execute(sql.LOCK_MARK)
        row = cursor.fetchone()
    if row is None:
        return None
    return cast("datetime", row[0]), get_feed_state_now().settled_until  # a later statement than the lock


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
    with transaction.atomic():
        marks = _marks()
        if marks is None:
            return False
        rolled_until, settled_until = marks
        until = rolled_until
        if settled_until > rolled_until:
            until = _step_end(rolled_until, settled_until)
            _add(rolled_until, until)
        with connection.cursor() as cursor:
            cursor.execute(sql.FOLD_REFUSALS)
            cursor.execute(sql.SAVE_MARK, [until])
    return until < settled_until


def refresh_figures(*, steps: int | None = None) -> None:
    """Bring the figures up to date, as far as is certain, in at most ``steps`` steps.

    Synchronous. Several processes may do it at once. Inside a transaction the mark of the feed
    stays where it is: it moves in transactions of its own.
    """
    if not connection.in_atomic_block:
        move_mark()
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
