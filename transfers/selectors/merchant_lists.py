"""Lists of merchants with their balances, newest first. Columns are read as text, because answers
are text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, cast
from uuid import UUID

from django.db import connection
from msgspec import Struct

from ledger_project.database.arrays import quoted
from ledger_project.database.prepared import positional
from ledger_project.database.readers import in_reader
from ledger_project.database.reading_pages import read_page
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import Status, fold, search_grams
from merchants.selectors import units_of
from transfers.sql.entries import newest_entry

MerchantRow: TypeAlias = tuple[str, str, str | None, str | None, str, str, str, str | None, str | None, str | None, str]
"""A merchant beside one of its wallets and held accounts: id, name, display name, address for
receipts, status, metadata, time (UTC); the account, its currency, its kind, its balance.

There is one row without account for a merchant that has none.
"""

_COLUMNS = f"""
SELECT m.id::text, m.name, m.display_name, m.receipt_email, m.status, m.metadata::text, (m.created_at AT TIME ZONE 'UTC')::text,
    a.id::text, a.currency_id, a.kind, coalesce(e.balance_after_minor::text, '0')
FROM (SELECT * FROM merchants_merchant WHERE {{conditions}} ORDER BY id DESC LIMIT %(limit)s) m
LEFT JOIN LATERAL (SELECT id, currency_id, kind FROM merchants_account
    WHERE merchant_id = m.id AND kind IN ('wallet', 'held') OFFSET 0) a ON true
LEFT JOIN LATERAL ({newest_entry("balance_after_minor", account="a.id")}) e ON true
ORDER BY m.id DESC, a.currency_id
"""


class MerchantPage(Struct, frozen=True):
    """Merchants newest first, each with the rows of its accounts, and the currencies of all."""

    merchants: list[list[MerchantRow]]
    units: Mapping[str, CurrencyUnit]


def page_statement(
    *, search: str | None, status: str | None, before: UUID | None, limit: int, only: UUID | None = None
) -> tuple[str, list[object]]:
    """Return the SQL of one page, newest first, and its parameters."""
    values: dict[str, object] = {"limit": limit, "before": before, "only": only}
    conditions = ["true"]
    if search:
        # The grams find candidates by their index (merchants/sql/search.sql), the text itself
        # decides.
        values |= {"grams": quoted(search_grams(search)), "pattern": _pattern(search)}
        conditions += ["""ledger_grams(lower(name COLLATE "C")) @> %(grams)s::text[]""", """lower(name COLLATE "C") LIKE %(pattern)s"""]
    if status:
        # A constant, so that a plan for all values finds the index of those that are not active.
        conditions.append(f"status = '{Status(status).value}'")
    if only is not None:
        conditions.append("id = %(only)s")
    if before is not None:
        conditions.append("id < %(before)s")
    return positional(_COLUMNS.format(conditions=" AND ".join(conditions)), values)


def _pattern(search: str) -> str:
    """Return the pattern of names that have a text in them, regardless of case."""
    escaped = fold(search).replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"


def _planned_anew(statement: str, parameters: list[Any]) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cast("list[tuple[object, ...]]", cursor.fetchall())


async def list_merchants(
    *, search: str | None, status: str | None, before: UUID | None, limit: int, only: UUID | None = None
) -> MerchantPage:
    """Return merchants newest first, older than ``before``. One round trip.

    ``search`` is a part of the name, regardless of case.
    ``only`` leaves out all merchants but one.
    """
    statement, parameters = page_statement(search=search, status=status, before=before, limit=limit, only=only)
    # No plan serves both a rare part of a name and one that all names have: a search is planned
    # for its text.
    read = in_reader(_planned_anew, statement, parameters) if search else read_page(statement, parameters)
    grouped: dict[str, list[MerchantRow]] = {}
    for row in cast("list[MerchantRow]", await read):
        grouped.setdefault(row[0], []).append(row)
    codes = {row[8] for rows in grouped.values() for row in rows if row[8] is not None}
    return MerchantPage(list(grouped.values()), await units_of(codes))
