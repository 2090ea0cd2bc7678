"""Entries in SQL: how an account's newest one is found."""

from __future__ import annotations


def newest_entry(columns: str, *, account: str, until: str = "") -> str:
    """Return the query of columns of an account's newest entry: where its chain ends, its balance.

    ``account`` is the account's id in SQL: a column of the query around this one, or a parameter.
    ``until`` compares an entry's time with a moment, as in ``<= %(at)s``: then the entry is the
    newest of that moment. There is no row if there is no such entry. It is one look into an index,
    however long the account is.
    """
    condition, order = (f" AND created_at {until}", "created_at DESC, sequence DESC") if until else ("", "sequence DESC")
    return f"SELECT {columns} FROM transfers_ledgerentry WHERE account_id = {account}{condition} ORDER BY {order} LIMIT 1"
