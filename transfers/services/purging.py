"""Forgetting idempotency keys whose time is over, in small batches that nobody has to wait for."""

from __future__ import annotations

from collections.abc import Callable

from django.db import connection

_DUE = "SELECT count(*) FROM transfers_idempotencyrecord WHERE expires_at < clock_timestamp()"

# Keys that somebody is just replaying are left for the next round. The batch is found before it is deleted, by its primary key.
_PURGE = """
DELETE FROM transfers_idempotencyrecord WHERE id IN (
    SELECT id FROM transfers_idempotencyrecord
    WHERE expires_at < clock_timestamp() AND id > %s ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
) RETURNING id
"""

_FIRST = "00000000-0000-0000-0000-000000000000"


def count_expired_keys() -> int:
    """Return how many keys' time is over."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE)
        return int(cursor.fetchone()[0])


def purge_expired_keys(*, batch: int, progress: Callable[[int], None] | None = None) -> int:
    """Remove records whose time is over, ``batch`` in a transaction, and return how many. Safely from several processes at once.

    Ids are made in the order of time, so each batch starts where the last one ended and none looks at a row twice.
    """
    purged, last = 0, _FIRST
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_PURGE, [last, batch])
            ids = [row[0] for row in cursor.fetchall()]
        purged += len(ids)
        if progress is not None and ids:
            progress(len(ids))
        if len(ids) < batch:
            return purged
        last = str(max(ids))
