"""The purge of idempotency keys whose time is over, in batches so small that no posting waits."""

from __future__ import annotations

from collections.abc import Callable

from django.db import connection

# A volatile function (clock_timestamp) would keep the index from being used.
_DUE = "SELECT count(*) FROM transfers_idempotencyrecord WHERE expires_at < statement_timestamp()"

# A key that a posting is just replaying is left for the next round. Each batch begins where the
# last one ended, since deleted rows stay in the index until a vacuum.
_PURGE = """
WITH due AS (
    SELECT id, expires_at FROM transfers_idempotencyrecord
    WHERE expires_at < statement_timestamp() AND expires_at >= %s ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM transfers_idempotencyrecord WHERE id IN (SELECT id FROM due)
)
SELECT count(*), max(expires_at) FROM due
"""


def count_expired_keys() -> int:
    """Return the number of keys whose time is over."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE)
        return int(cursor.fetchone()[0])


def purge_expired_keys(*, batch: int, progress: Callable[[int], None] | None = None) -> int:
    """Remove records whose time is over, ``batch`` in a transaction, and return how many.

    Several processes may do it at once. The index of their expiry finds them, so the cost depends
    on how many are due, not on how many keys there are.
    """
    purged: int = 0
    last = "-infinity"
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_PURGE, [last, batch])
            found, last = cursor.fetchone()
        purged += found
        if progress is not None and found:
            progress(found)
        if found < batch:
            return purged
