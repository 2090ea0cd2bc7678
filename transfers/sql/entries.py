"""Entries in SQL: how an account's newest one is found."""

from __future__ import annotations


def newest_entry(columns: str, *, account: str, until: str = "") -> str:
    """Return the query of columns of an account's newest entry: where its chain ends, and what its balance is.

    ``account`` is the account's id in SQL: a column of the query around this one, or a parameter. ``until`` is how an entry's time is
    compared with a moment, ``<= %(at)s`` or ``< %s``: then the entry is the newest of that moment. Without an entry there is no row.
    Either way one index says which entry it is, so the query costs the same however long the account is.
    """
    condition, order = (f" AND created_at {until}", "created_at DESC, sequence DESC") if until else ("", "sequence DESC")
    return f"SELECT {columns} FROM transfers_ledgerentry WHERE account_id = {account}{condition} ORDER BY {order} LIMIT 1"
