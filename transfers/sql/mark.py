"""The mark of the feed in SQL."""

from __future__ import annotations

from transfers.sql.entries import newest_entry


def newest_mark(columns: str) -> str:
    """Return the query of columns of the mark.

    There is one row, and a long read elsewhere keeps its old versions. The newest one is the last
    of the index, whatever their number.
    """
    return f"SELECT {columns} FROM transfers_feedmark ORDER BY id DESC LIMIT 1"


EVENT_TIME = f"""
SELECT greatest(clock_timestamp(), m.candidate_until + interval '1 microsecond',
    (SELECT created_at FROM transfers_event WHERE merchant_id = %(merchant)s ORDER BY id DESC LIMIT 1) + interval '1 microsecond',
    ({newest_entry("created_at", account="%(account)s")}) + interval '1 microsecond')
FROM ({newest_mark("candidate_until")}) m
"""
"""The time of an event that is no transfer: by the rule of a posting, and after the last event of
the merchant and the last entry of the account that it is about."""
