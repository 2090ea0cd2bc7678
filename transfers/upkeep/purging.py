"""The purge of idempotency keys and refusals whose time is over: no posting waits for it.

The keys of a day go together. First their claims, in batches; then the table with their records, by
TRUNCATE. So a claim never stands without its record: a posting that claims a key finds both, or
finds the key free.

A claim that is not committed yet is not seen here, and its record may be inserted afterwards: then
the next round removes both. A claim that was committed between the two steps would lose its record.
It began in a day that is over for LEDGER_IDEMPOTENCY_RETENTION, an hour at least (checks.py), and
no posting may last as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, time, timedelta

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from ledger_project.database import sqlstates
from ledger_project.database.clock import database_now
from transfers.domain.idempotency import first_day_kept
from transfers.sql.idempotency import SLOTS

_CLAIM_WAIT = "500ms"
"""The longest wait for claims that another session has locked: another purge, or an operator."""

_SLOT_WAIT = "50ms"
"""The longest wait for a table of the ring. Meanwhile postings that replay a key wait, too."""

# Claims have no index of their time: it would cost bytes for each key. Each batch begins where the
# last one ended, so the table is read once, and only when a day is due.
_PURGE_CLAIMS = """
WITH due AS MATERIALIZED (
    SELECT ctid FROM transfers_idempotencyclaim WHERE ctid > %(last)s::tid AND created_at < %(until)s LIMIT %(batch)s
), gone AS (
    DELETE FROM transfers_idempotencyclaim WHERE ctid = ANY(ARRAY(SELECT ctid FROM due)) RETURNING 1
)
SELECT (SELECT count(*) FROM due), (SELECT max(ctid) FROM due), (SELECT count(*) FROM gone)
"""

_PURGE_REFUSALS = """
DELETE FROM transfers_refusal
WHERE id = ANY(ARRAY(SELECT id FROM transfers_refusal WHERE created_at < %s ORDER BY created_at LIMIT %s FOR UPDATE SKIP LOCKED))
"""

_COUNT_CLAIMS = "SELECT count(*) FROM transfers_idempotencyclaim WHERE created_at < %s"

_OLDEST = sql.SQL(" UNION ALL ").join(
    sql.SQL("SELECT {}, min(created_at) FROM {}").format(sql.Literal(slot), sql.Identifier(slot)) for slot in SLOTS
)
_NEWEST = sql.SQL("SELECT max(created_at) FROM {}")
_LOCK = sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE")
_TRUNCATE = sql.SQL("TRUNCATE {}")
_DELETE = sql.SQL("DELETE FROM {0} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {0} WHERE created_at < %s ORDER BY created_at LIMIT %s))")


def count_expired_keys() -> int:
    """Return the number of keys whose time is over."""
    until = _until()
    if not _due_slots(until):
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_CLAIMS, [until])
        return int(cursor.fetchone()[0])


def purge_expired_keys(*, batch: int, progress: Callable[[int], None] | None = None) -> int:
    """Remove the keys whose time is over, ``batch`` claims in a transaction, and return how many.

    Several processes may do it at once. What another session has locked is left for the next round,
    and with it all records that are due: a record goes after its claim.
    """
    until = _until()
    slots = _due_slots(until)
    tell = progress or (lambda _count: None)
    purged = 0
    try:
        for count in _purge_claims(until, batch=batch) if slots else ():
            purged += count
            tell(count)
    except _Locked:
        return purged
    for slot in slots:
        with suppress(_Locked):
            _empty(slot, until, batch=batch)
    return purged


def purge_refusals(*, batch: int, progress: Callable[[int], None] | None = None) -> int:
    """Remove the rows of refusals whose keys' time is over, ``batch`` in a transaction, and return
    how many.

    Several processes may do it at once: each leaves to the others what they have locked.
    """
    until = _until()
    gone, purged = batch, 0
    while gone == batch:
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute(_PURGE_REFUSALS, [until, batch])
            gone = cursor.rowcount
        purged += gone
        if gone and progress is not None:
            progress(gone)
    return purged


class _Locked(Exception):
    """Another session has a lock that is needed."""


@contextmanager
def _waiting(wait: str) -> Iterator[CursorWrapper]:
    """Open a transaction that waits shortly for a lock. Raises ``_Locked``."""
    try:
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [wait])
            yield cursor
    except OperationalError as error:
        if sqlstates.meaning_of(error) is sqlstates.LOCKED:
            raise _Locked from None
        raise


def _until() -> datetime:
    """Return the moment before which keys are due: the beginning of the first day that is kept."""
    day = first_day_kept(database_now(), timedelta(seconds=settings.LEDGER_IDEMPOTENCY_RETENTION))
    return datetime.combine(day, time(), UTC)


def _due_slots(until: datetime) -> list[str]:
    """Return the tables that have records from before a moment: one look into each one's index."""
    with connection.cursor() as cursor:
        cursor.execute(_OLDEST)
        return [slot for slot, oldest in cursor.fetchall() if oldest is not None and oldest < until]


def _purge_claims(until: datetime, *, batch: int) -> Iterator[int]:
    """Remove the claims from before a moment; yield how many after each batch.

    Raises ``_Locked``.
    """
    found, last = batch, "(0,0)"
    while found == batch:
        with _waiting(_CLAIM_WAIT) as cursor:
            cursor.execute(_PURGE_CLAIMS, {"until": until, "last": last, "batch": batch})
            found, last, gone = cursor.fetchone()
        if gone:
            yield gone


def _empty(slot: str, until: datetime, *, batch: int) -> None:
    """Remove the records from before a moment from a table of the ring: by TRUNCATE, unless it has
    kept records, too. Raises ``_Locked``.
    """
    if not _ends_before(slot, until):
        _delete(slot, until, batch=batch)
        return
    with _waiting(_SLOT_WAIT) as cursor:
        cursor.execute(_LOCK.format(sql.Identifier(slot)))
        # Once more: a record may have been inserted before the lock was there.
        if _ends_before(slot, until):
            cursor.execute(_TRUNCATE.format(sql.Identifier(slot)))


def _ends_before(slot: str, until: datetime) -> bool:
    """Whether no record of a table is of that moment or later: one look into its index."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST.format(sql.Identifier(slot)))
        newest = cursor.fetchone()[0]
        return newest is None or newest < until


def _delete(slot: str, until: datetime, *, batch: int) -> None:
    """Remove records in batches from a table that has kept ones, too: the last purge was a month
    ago, or a clock was wrong. Raises ``_Locked``.
    """
    gone = batch
    while gone == batch:
        with _waiting(_SLOT_WAIT) as cursor:
            cursor.execute(_DELETE.format(sql.Identifier(slot)), [until, batch])
            gone = cursor.rowcount
