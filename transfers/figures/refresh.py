"""Keeping the daily figures beside the journal: a little at a time, exactly once each, and never missing what is committed late.

*Exactly once.* A refresh locks the mark, adds the transfers between the mark and a later moment, and moves the mark, in one transaction:
killed anywhere, it has done all or nothing, and the next one goes on. A second process that finds the mark locked leaves it to the first.

*Never missing.* Transfers are numbered by the time at which they were decided, a little before their commit, so one that is older than
what can be seen already may still appear. The mark may move to a moment T only when no transfer of before T can appear any more:

1. a posting transaction has its transaction number before it reads the clock (``store/sql.py``: CLOCK), and a transfer's time is never
   before that reading (later only where the account's last entry is later; demo data that says its own time takes the mark back to it
   under the mark's lock, ``store/backdating.py``);
2. a refresh reads the clock (T) before it takes a transaction number (N) of its own; numbers only grow, so any transaction that read
   the clock before T has a number below N;
3. when the oldest transaction that still runs is not below N, all of those are over, and a snapshot taken after that sees what they did.

Usually that is so at once and the mark moves to T. If not, (T, N) are kept with the mark as its candidate, and a later refresh asks
again. No waiting, no guess of how long a posting may take, and prepared transactions count as running. What it does rest on is that the
database server's clock is not set back between two refreshes by more than ``CLOCK_MARGIN``; should that happen (a fail-over to a server
whose clock is behind), ``rollup_differences`` finds it and ``rebuild_rollups`` mends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from ledger_project.database.clock import database_now
from ledger_project.kernel.ids import first_uuid7_at, time_of
from transfers.figures import sql

STEP = 20_000
"""Transfers that one transaction adds at most: a first refresh of a long history goes in steps, each kept."""

CLOCK_MARGIN = timedelta(milliseconds=200)
"""How far the figures stay behind the clock, so that a server clock that is corrected a little backwards does no harm."""


@dataclass(frozen=True, slots=True)
class RollupDifference:
    """A figure that is not what the journal says: which table and row, what is stored there, and what the entries sum up to."""

    table: str
    key: dict[str, str]
    stored: dict[str, int | str]
    recomputed: dict[str, int | str]


@dataclass(frozen=True, slots=True)
class _Mark:
    rolled_until: datetime
    candidate_until: datetime | None
    candidate_xid: int | None


def _locked_mark() -> _Mark | None:
    """Return the mark, locked until the transaction ends; None while another process works on it."""
    with connection.cursor() as cursor:
        cursor.execute(sql.LOCK_MARK)
        row = cursor.fetchone()
    return None if row is None else _Mark(*row)


def _transactions() -> tuple[int, int]:
    """Return this transaction's number, and that of the oldest one that still runs."""
    with connection.cursor() as cursor:
        cursor.execute(sql.TRANSACTIONS)
        own, _ = cursor.fetchone()
        # In a statement of its own, after the number was given: the snapshot of the one before was older than the number.
        cursor.execute(sql.TRANSACTIONS)
        _, oldest = cursor.fetchone()
    return int(own), int(oldest)


def _settled(mark: _Mark, now: datetime, own: int, oldest: int) -> tuple[datetime | None, _Mark]:
    """Return the moment before which nothing can appear any more, if one later than the mark is known, and the candidate to keep."""
    if oldest >= own:
        return now, _Mark(mark.rolled_until, None, None)
    until, xid = mark.candidate_until, mark.candidate_xid
    if until is None or xid is None or xid > own:  # numbers start anew where a dump was restored: such a candidate says nothing
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
    # Ids rather than times: the primary key serves, and ids are in the order of times (kernel/ids.py).
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
            # A step that ended early leaves the candidate as it was: what is settled stays settled.
            candidate = mark if more else kept
            cursor.execute(
                sql.SAVE_MARK,
                {"until": until, "candidate_until": candidate.candidate_until, "candidate_xid": candidate.candidate_xid},
            )
    return more


def refresh_rollups(*, steps: int | None = None) -> None:
    """Bring the figures up to date, as far as is certain; at most so many steps. Synchronous, safe from several processes at once."""
    taken = 0
    while _refresh_step():
        taken += 1
        if steps is not None and taken >= steps:
            return


def rollup_differences() -> list[RollupDifference]:
    """Recompute all figures from the entries and return those that differ; none is what it should be.

    Reads the whole journal once for each table, in one snapshot with the figures, and blocks nobody. Counts of refusals are not in the
    journal and are not compared.
    """
    found: list[RollupDifference] = []
    for table, (key, _) in sql.SUMS.items():
        with connection.cursor() as cursor:
            cursor.execute(sql.differences_statement(table))
            found += [_difference(table, key, row) for row in cursor.fetchall()]
    return found


def _difference(table: str, key: tuple[str, ...], row: tuple[Any, ...]) -> RollupDifference:
    figures = sql.FIGURES[table]
    stored, recomputed = row[len(key) : len(key) + len(figures)], row[len(key) + len(figures) :]
    return RollupDifference(
        table,
        {name: str(value) for name, value in zip(key, row, strict=False)},
        {name: _figure(value) for name, value in zip(figures, stored, strict=True)},
        {name: _figure(value) for name, value in zip(figures, recomputed, strict=True)},
    )


def _figure(value: Decimal) -> int | str:
    """Return a figure, or the text of what is no number."""
    return int(value) if Decimal(value).is_finite() else str(value)


def rebuild_rollups() -> None:
    """Throw the figures away and sum them up again from the journal; counts of refusals stay."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM transfers_rollupmark WHERE id = 1 FOR UPDATE")
        for table in sql.SUMS:
            cursor.execute(f"DELETE FROM {table}")
        cursor.execute(sql.START_AFRESH)
    refresh_rollups()
