"""Entries in SQL: how an account's newest one is found."""

from __future__ import annotations


def newest_entry(columns: str, *, account: str, until: str = "") -> str:
    """Return the query of columns of an account's newest entry: where its chain ends, its balance.

    ``account`` is the account's id in SQL: a column of the query around this one, or a parameter.
    ``until`` compares an entry's time with a moment, as in ``<= %(at)s`` or ``< %(at)s``: then the
    entry is the newest of that moment. There is no row if there is no such entry.

    Now it is one look-up in the primary key, however long the account is; as of a moment about 20
    for a million entries (``ledger_sequence_at`` in sql/entries.sql).
    """
    if not until:
        return f"SELECT {columns} FROM transfers_ledgerentry WHERE account_id = {account} ORDER BY sequence DESC LIMIT 1"
    # Times are whole microseconds, so before a moment is at or before the microsecond before it.
    operator, moment = until.split(" ", 1)
    moment = {"<=": moment, "<": f"{moment}::timestamptz - interval '1 microsecond'"}[operator]
    # A query of its own: the planner would call a bare function, too, to estimate rows.
    return (
        f"SELECT {columns} FROM transfers_ledgerentry "
        f"WHERE account_id = {account} AND sequence = (SELECT ledger_sequence_at({account}, {moment}))"
    )
