"""Idempotency records in SQL: the ring of tables that they lie in."""

from __future__ import annotations

SLOTS = tuple(f"transfers_idempotencyrecord_{number:02}" for number in range(32))
"""The tables of the ring: the records of a day are in one of them, 32 days later it is used again.

They are made by ``idempotency.sql``.
"""

LONGEST_RETENTION_DAYS = len(SLOTS) - 2
"""Days that keys can be kept. One table is for today, and one is empty before tomorrow begins."""


def slot_of(moment: str) -> str:
    """Return the number of the table for the records of a moment, in SQL.

    The planner looks into one table where it finds this very expression: ``idempotency.sql`` has
    it, too. The day is that of UTC, whatever the session's time zone is.
    """
    return f"mod(({moment} AT TIME ZONE 'UTC')::date - DATE '2000-01-01', 32)"
