"""The journal in the order of ids, for exports: transfers, their entries, and other events.

Only what lies below the mark of the feed is read. Its rows never change and nothing is put between
them. So pages that are read at different times fit together, whatever is posted meanwhile.

Synchronous. Values are text as the database writes it; None is null.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast
from uuid import UUID

import psycopg
from django.db import connection

from ledger_project.kernel.ids import first_uuid7_at

Row = tuple[str | None, ...]

_PAGE = 1_000
_BEFORE_ALL = UUID(int=0)
_MICROSECOND = timedelta(microseconds=1)


class Kind(NamedTuple):
    """One kind of rows: name, table of the ids that lead to them, columns in SQL, source, order."""

    name: str
    table: str
    columns: Mapping[str, str]
    source: str
    order: str


def _moment(column: str) -> str:
    return f"to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"


TRANSFERS = Kind(
    "transfers",
    "transfers_transfer",
    {
        "id": "t.id::text",
        "created_at": _moment("t.created_at"),
        "kind": "t.kind",
        "source_account_id": "t.source_id::text",
        "target_account_id": "t.target_id::text",
        "currency": "t.currency_id",
        "amount_minor": "t.amount_minor::text",
        "fee_minor": "t.fee_minor::text",
        "total_debit_minor": "t.total_debit_minor::text",
        "fee_schedule_id": "t.fee_schedule_id::text",
        "reverses": "t.reverses_id::text",
        "hold_id": "t.hold_id::text",
        "external_reference": "t.external_reference",
        "memo": "t.memo",
        "metadata": "t.metadata::text",
        "principal": "t.principal",
        "request_id": "t.request_id",
    },
    "transfers_transfer t WHERE t.id = ANY(%s::uuid[])",
    "t.id",
)
ENTRIES = Kind(
    "entries",
    "transfers_transfer",
    {
        "transfer_id": "e.transfer_id::text",
        "account_id": "e.account_id::text",
        "sequence": "e.sequence::text",
        "created_at": _moment("e.created_at"),
        "direction": "e.direction",
        "type": "e.type",
        "currency": "a.currency_id",
        "amount_minor": "e.amount_minor::text",
        "balance_after_minor": "e.balance_after_minor::text",
        "hash": "encode(e.hash, 'hex')",
        "account_kind": "a.kind",
        "merchant_id": "a.merchant_id::text",
        "merchant_name": "m.name",
    },
    "transfers_ledgerentry e JOIN merchants_account a ON a.id = e.account_id JOIN merchants_merchant m ON m.id = a.merchant_id "
    "WHERE e.transfer_id = ANY(%s::uuid[])",
    "e.transfer_id, e.account_id, e.sequence",
)
EVENTS = Kind(
    "events",
    "transfers_event",
    {
        "id": "v.id::text",
        "created_at": _moment("v.created_at"),
        "type": "v.type",
        "merchant_id": "v.merchant_id::text",
        "account_id": "v.account_id::text",
        "data": "v.data::text",
    },
    "transfers_event v WHERE v.id = ANY(%s::uuid[])",
    "v.id",
)
KINDS = (TRANSFERS, ENTRIES, EVENTS)

_BOTH = """
(SELECT id FROM transfers_transfer WHERE id > %(after)s AND id < %(before)s ORDER BY id LIMIT %(limit)s)
UNION ALL (SELECT id FROM transfers_event WHERE id > %(after)s AND id < %(before)s ORDER BY id LIMIT %(limit)s)
"""
_LAST = f"SELECT u.id FROM (SELECT id FROM ({_BOTH}) w ORDER BY id LIMIT %(limit)s) u ORDER BY u.id DESC LIMIT 1"
_IDS = "SELECT id FROM {table} WHERE id > %s AND id <= %s ORDER BY id LIMIT %s"

_STORED_HASHES = """
SELECT w.account, w.sequence, encode(e.hash, 'hex') FROM unnest(%s::uuid[], %s::bigint[]) AS w(account, sequence)
LEFT JOIN transfers_ledgerentry e ON e.account_id = w.account AND e.sequence = w.sequence
"""


def _rows(statement: str, parameters: Any) -> list[tuple[Any, ...]]:
    connection.ensure_connection()
    cursor = psycopg.Cursor(cast("psycopg.Connection[Any]", connection.connection))
    cursor.execute(statement, parameters)
    return cursor.fetchall()


def find_last_id(after: UUID | None, settled_until: datetime, limit: int) -> UUID | None:
    """Return the id of the ``limit``-th transfer or event after one, or of the last below the mark
    if there are fewer. None if there is none.
    """
    before = first_uuid7_at(settled_until + _MICROSECOND)
    found = _rows(_LAST, {"after": after or _BEFORE_ALL, "before": before, "limit": limit})
    return cast("UUID", found[0][0]) if found else None


def journal_rows(kind: Kind, after: UUID | None, last: UUID) -> Iterator[list[Row]]:
    """Return the rows of a kind after one id, up to and with another, in pages."""
    while True:
        ids = [row[0] for row in _rows(_IDS.format(table=kind.table), [after or _BEFORE_ALL, last, _PAGE])]
        if not ids:
            return
        columns = ", ".join(kind.columns.values())
        yield cast("list[Row]", _rows(f"SELECT {columns} FROM {kind.source} ORDER BY {kind.order}", [ids]))
        after = ids[-1]


def changed_hashes(heads: Mapping[str, tuple[int, str]]) -> Iterator[str]:
    """Return the accounts whose entry of a number has not the hash that it had, or is gone.

    ``heads`` are numbers and hashes by account.
    """
    accounts: Sequence[str] = list(heads)
    for start in range(0, len(accounts), _PAGE):
        page = accounts[start : start + _PAGE]
        for account, _, stored in _rows(_STORED_HASHES, [page, [heads[account][0] for account in page]]):
            if heads[str(account)][1] != stored:
                yield str(account)
