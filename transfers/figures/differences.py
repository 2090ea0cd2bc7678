"""The differences between the daily figures and the journal: none, unless something is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection

from transfers.figures import sql


@dataclass(frozen=True, slots=True)
class FigureDifference:
    """A row of figures that is not what the journal says: its key, its figures, the right ones."""

    table: str
    key: dict[str, str]
    stored: dict[str, int | str]
    recomputed: dict[str, int | str]


def figure_differences() -> list[FigureDifference]:
    """Sum up all figures from the entries and return those that differ.

    Reads the whole journal once for each table, in one snapshot with the figures, and blocks
    nobody. Counts of refusals are not in the journal and are not compared.
    """
    found: list[FigureDifference] = []
    for table, (key, _) in sql.SUMS.items():
        with connection.cursor() as cursor:
            cursor.execute(sql.differences_statement(table))
            found += [_difference(table, key, row) for row in cursor.fetchall()]
    return found


def _difference(table: str, key: tuple[str, ...], row: tuple[Any, ...]) -> FigureDifference:
    figures = sql.FIGURES[table]
    stored, recomputed = row[len(key) : len(key) + len(figures)], row[len(key) + len(figures) :]
    return FigureDifference(
        table,
        {name: str(value) for name, value in zip(key, row, strict=False)},
        {name: _figure(value) for name, value in zip(figures, stored, strict=True)},
        {name: _figure(value) for name, value in zip(figures, recomputed, strict=True)},
    )


def _figure(value: Decimal) -> int | str:
    """Return a figure, or its text if it is no number."""
    return int(value) if Decimal(value).is_finite() else str(value)
