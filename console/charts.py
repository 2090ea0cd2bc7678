"""Small charts as inline SVG: they need no script, and the page loads nothing for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 300, 64


@dataclass(frozen=True, slots=True)
class Column:
    """The bar of one day: its place, its height, and the title that the pointer shows."""

    x: str
    y: str
    width: str
    height: str
    title: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Sparkline:
    """A chart of days: columns for sums of a day, or a line for values at the end of each day.

    ``figure`` stands above it; or ``figures``, pieces of a text, each with where it leads, or with
    an empty address.
    """

    title: str
    figure: str
    columns: Sequence[Column] = ()
    line: str = ""
    area: str = ""
    first: str = ""
    last: str = ""
    figures: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a breakdown: a label, its figures, and its share of the largest in percent."""

    label: str
    figures: Sequence[str]
    percent: float
    url: str = ""


def column_chart(values: Sequence[int], titles: Sequence[str], urls: Sequence[str] = ()) -> list[Column]:
    """Return a column for each value; that of a negative value has no height. ``urls`` says where
    each leads.
    """
    top = max([*values, 1])
    slot = WIDTH / max(1, len(values))
    columns = []
    for position, (value, title) in enumerate(zip(values, titles, strict=True)):
        # Whole numbers first: an amount may be larger than a float can hold.
        share = max(0, value) * 10_000 // top / 10_000
        height = max(share * (HEIGHT - 4), 1.0 if value > 0 else 0.0)
        place = (f"{position * slot:.2f}", f"{HEIGHT - height:.2f}", f"{slot * 0.78:.2f}", f"{height:.2f}")
        columns.append(Column(*place, title, urls[position] if urls else ""))
    return columns


def line_chart(values: Sequence[int]) -> tuple[str, str]:
    """Return the points of a line, and those of the area below it."""
    # From the lowest value to the highest, so that small changes can be seen.
    low, high = min(values), max(values)
    low, high = (low, high) if low < high else (low - 1, high + 1)
    step = WIDTH / max(1, len(values) - 1)
    points = [
        f"{position * step:.2f},{HEIGHT - 2 - (value - low) * 10_000 // (high - low) / 10_000 * (HEIGHT - 6):.2f}"
        for position, value in enumerate(values)
    ]
    line = " ".join(points)
    return line, f"0,{HEIGHT} {line} {WIDTH},{HEIGHT}"


def percent_of(value: int, top: int) -> float:
    """Return a share in percent; the share of a value above zero is at least 1."""
    return 0.0 if value <= 0 or top <= 0 else max(1.0, value * 1000 // top / 10)
