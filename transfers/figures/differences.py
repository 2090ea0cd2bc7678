"""The differences between the daily figures and the journal: none, unless something is wrong.

The sums trust that an entry has the time and the currency of its transfer, and that a transfer's
fee is what its entries say: ``reconcile`` proves both beside them. So no entry is joined with its
transfer.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

import psycopg
from django.db import connection

from ledger_project.database.fields import readable
from transfers.figures import sql

_MARK = "(SELECT rolled_until FROM transfers_rollupmark)"


def _day(column: str) -> str:
    """Return the midnight before a time in UTC: ``date_bin`` is faster than a change of zone."""
    return f"date_bin('1 day', {column}, '2000-01-01T00:00:00Z')"


# Refreshes leave out a transfer whose amount is no number, with its entries.
_SUMS = f"""
WITH unreadable AS MATERIALIZED (
    SELECT id FROM transfers_transfer WHERE NOT ({readable("amount_minor")})
), refunds AS MATERIALIZED (
    SELECT a.currency_id AS currency, {_day("e.created_at")} AS day, sum(e.amount_minor) AS fee_refunds_minor
    FROM transfers_ledgerentry e JOIN merchants_account a ON a.id = e.account_id
    WHERE e.type = 'fee_refund' AND e.direction = 'CREDIT' AND e.created_at < {_MARK} AND {readable("e.amount_minor")}
        AND e.transfer_id NOT IN (SELECT id FROM unreadable)
    GROUP BY 1, 2
)
"""

_LINES = f"""
transfers_ledgerentry e JOIN merchants_account a ON a.id = e.account_id
WHERE e.created_at < {_MARK} AND {readable("e.amount_minor")} AND e.transfer_id NOT IN (SELECT id FROM unreadable)
"""

_FOUND = {
    "transfers_dailyactivity": f"""
        SELECT t.*, coalesce(CASE t.kind WHEN 'reversal' THEN r.fee_refunds_minor END, 0) AS fee_refunds_minor FROM (
            SELECT currency_id AS currency, {_day("created_at")} AS day, kind, count(*) AS transfers, sum(amount_minor) AS volume_minor,
                coalesce(sum(fee_minor) FILTER (WHERE kind IN ('transfer', 'capture')), 0) AS fees_minor
            FROM transfers_transfer WHERE created_at < {_MARK} AND {readable("amount_minor")} GROUP BY 1, 2, 3
        ) t LEFT JOIN refunds r USING (currency, day)""",
    "transfers_dailyvalue": f"""
        SELECT a.currency_id AS currency, {_day("e.created_at")} AS day, a.kind AS account_kind, count(*) AS entries,
            sum(CASE e.direction WHEN 'CREDIT' THEN e.amount_minor ELSE -e.amount_minor END) AS change_minor
        FROM {_LINES} GROUP BY 1, 2, 3""",
    "transfers_dailymerchant": f"""
        SELECT a.currency_id AS currency, {_day("e.created_at")} AS day, a.merchant_id, count(*) AS entries,
            coalesce(sum(e.amount_minor) FILTER (WHERE e.direction = 'DEBIT'), 0) AS sent_minor,
            coalesce(sum(e.amount_minor) FILTER (WHERE e.direction = 'CREDIT'), 0) AS received_minor
        FROM {_LINES} AND a.kind = 'wallet' AND e.type NOT IN ('hold', 'hold_release') GROUP BY 1, 2, 3""",
}
"""For each table of figures what the journal says."""


@dataclass(frozen=True, slots=True)
class FigureDifference:
    """A row of figures that is not what the journal says: its key, its figures, the right ones."""

    table: str
    key: dict[str, str]
    stored: dict[str, int | str]
    recomputed: dict[str, int | str]


def figure_differences(raw: psycopg.Connection[Any] | None = None) -> list[FigureDifference]:
    """Sum up all figures from the journal and return those that differ.

    Reads the entries once, in the snapshot of ``raw`` or of Django's connection, and blocks nobody.
    Counts of refusals are not in the journal and are not compared.
    """
    if raw is None:
        connection.ensure_connection()
        raw = cast("psycopg.Connection[Any]", connection.connection)
    return [_difference(*row) for row in psycopg.Cursor(raw).execute(_STATEMENT).fetchall()]


def _differing(table: str) -> str:
    """Return the query of a table's rows that differ: key, stored and right figures as texts."""
    keys, figures = sql.SUMS[table][0], sql.FIGURES[table]
    texts = {
        "key": ", ".join(f"{name}::text" for name in keys),
        "stored": ", ".join(f"coalesce(r.{name}, 0)::text" for name in figures),
        "found": ", ".join(f"coalesce(s.{name}, 0)::text" for name in figures),
    }
    found = f"SELECT *, (day AT TIME ZONE 'UTC')::date AS utc_day FROM ({_FOUND[table]}) m"
    columns = ", ".join(["utc_day AS day" if name == "day" else name for name in (*keys, *figures)])
    differs = " OR ".join(f"coalesce(r.{name}, 0) <> coalesce(s.{name}, 0)" for name in figures)
    return (
        f"SELECT '{table}' AS place, ARRAY[{texts['key']}] AS key, ARRAY[{texts['stored']}] AS stored, ARRAY[{texts['found']}] AS found "
        f"FROM {table} r FULL JOIN (SELECT {columns} FROM ({found}) d) s USING ({', '.join(keys)}) WHERE {differs}"
    )


_STATEMENT = _SUMS + " UNION ALL ".join(_differing(table) for table in _FOUND) + " ORDER BY place, key"


def _difference(table: str, key: list[str], stored: list[str], recomputed: list[str]) -> FigureDifference:
    names = sql.FIGURES[table]
    return FigureDifference(
        table,
        dict(zip(sql.SUMS[table][0], key, strict=True)),
        {name: _figure(text) for name, text in zip(names, stored, strict=True)},
        {name: _figure(text) for name, text in zip(names, recomputed, strict=True)},
    )


def _figure(text: str) -> int | str:
    """Return a figure, or its text if it is no number."""
    value = Decimal(text)
    return int(value) if value.is_finite() else text
