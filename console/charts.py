"""Small charts as inline SVG: drawn here, so that a page needs no script and asks nobody outside for anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 300, 64


@dataclass(frozen=True, slots=True)
class Column:
    """One day's bar: where it stands, how high it is, and what is said when it is pointed at."""

    x: str
    y: str
    width: str
    height: str
    title: str


@dataclass(frozen=True, slots=True)
class Sparkline:
    """A chart of days: columns for what happened in each, or a line (with the area below it) for what there was at its end."""

    title: str
    figure: str
    columns: Sequence[Column] = ()
    line: str = ""
    area: str = ""
    first: str = ""
    last: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a breakdown: a label, its figures in words, and its share of the largest in percent."""

    label: str
    figures: Sequence[str]
    percent: float
    url: str = ""


def column_chart(values: Sequence[int], titles: Sequence[str]) -> list[Column]:
    """Return one column a value; negative ones (more was given back than earned) have none."""
    top = max([*values, 1])
    slot = WIDTH / max(1, len(values))
    columns = []
    for position, (value, title) in enumerate(zip(values, titles, strict=True)):
        # Whole arithmetic first: amounts may be far beyond what a float holds.
        share = max(0, value) * 10_000 // top / 10_000
        height = max(share * (HEIGHT - 4), 1.0 if value > 0 else 0.0)
        columns.append(Column(f"{position * slot:.2f}", f"{HEIGHT - height:.2f}", f"{slot * 0.78:.2f}", f"{height:.2f}", title))
    return columns


def line_chart(values: Sequence[int]) -> tuple[str, str]:
    """Return the points of a line, and of the area below it."""
    # Between the lowest and the highest: what changes is what one wants to see, and the figures stand beside it.
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
    """Return a share in percent; something is never nothing."""
    return 0.0 if value <= 0 or top <= 0 else max(1.0, value * 1000 // top / 10)
