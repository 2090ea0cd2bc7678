"""The chart of a balance: texts for people, and whole numbers for where a point is drawn.

A browser's numbers are not exact, so no amount is a number there. The server says where each point
is, from 0 to ``TOP``, rounded down: that is exact enough for a picture. The text beside the point
is the exact amount.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from console.amounts import shown_number, shown_short
from ledger_project.kernel.money import CurrencyUnit
from transfers.selectors.balances import Balances

TOP = 10_000
"""Where the highest line of the chart is."""

RANGES = {7: "7 days", 30: "30 days", 90: "90 days", 365: "1 year"}
"""The lengths of a chart, in days."""

POINTS = 60
_LINES = 4
"""Lines of the scale, about."""


@dataclass(frozen=True, slots=True)
class Point:
    """A balance at a moment: ``at`` in seconds of Unix time, ``position`` from 0 to ``TOP``."""

    at: int
    when: str
    balance: str
    position: int


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the scale."""

    label: str
    position: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Points, oldest first, and the scale beside them, lowest first."""

    currency: str
    points: list[Point]
    ticks: list[Tick]

    def as_json(self) -> dict[str, object]:
        """Return the chart as the page's script reads it."""
        return {
            "currency": self.currency,
            "top": TOP,
            "points": [{"at": p.at, "when": p.when, "balance": p.balance, "position": p.position} for p in self.points],
            "ticks": [{"label": t.label, "position": t.position} for t in self.ticks],
        }

    def changes(self) -> list[Point]:
        """Return the points, newest first, where the balance is another than at the one before."""
        runs = [next(run) for _, run in itertools.groupby(self.points, key=lambda point: point.balance)]
        return runs[::-1]


def moments_until(end: datetime, *, days: int) -> list[datetime]:
    """Return the moments of a chart, oldest first; the last one is ``end``."""
    step = timedelta(days=days) / POINTS
    return [end - step * number for number in range(POINTS, -1, -1)]


def chart_of(balances: Sequence[tuple[datetime, Balances]], unit: CurrencyUnit) -> Chart:
    """Return the chart of what a wallet held, in all, at each of the moments."""
    amounts = [sum(row.available_minor + row.held_minor for row in found.rows) for _, found in balances]
    lines = _scale(min(amounts), max(amounts))
    low, high = lines[0], lines[-1]

    def position(amount_minor: int) -> int:
        return (amount_minor - low) * TOP // (high - low)

    points = [
        Point(int(moment.timestamp()), _minute(moment), shown_number(amount, unit), position(amount))
        for (moment, _), amount in zip(balances, amounts, strict=True)
    ]
    return Chart(unit.code, points, [Tick(shown_short(line, unit), position(line)) for line in lines])


def _scale(lowest: int, highest: int) -> list[int]:
    """Return the lines of a scale, in minor units: round numbers around all amounts, zero among
    them.
    """
    low, high = min(0, lowest), max(0, highest, lowest + 1)
    step = _round_step(-(-(high - low) // _LINES))
    return list(range(low // step * step, -(-high // step) * step + 1, step))


def _round_step(least: int) -> int:
    """Return the smallest of 1, 2, 5, 10, 20, … that is not below ``least``."""
    power = int("1" + "0" * (len(str(least)) - 1))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)


def _minute(moment: datetime) -> str:
    at = moment.astimezone(UTC)
    return f"{at.day} {at:%b %Y, %H:%M} UTC"
