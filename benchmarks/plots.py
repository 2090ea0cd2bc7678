"""The report's pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "ledger"

from matplotlib import pyplot as plt


def bars(path: Path, title: str, values: Mapping[str, float], unit: str) -> None:
    """One horizontal bar for each value."""
    figure, axes = plt.subplots(figsize=(9, 0.45 * len(values) + 1.2))
    drawn = axes.barh(list(values), list(values.values()), color="#4c72b0")
    axes.bar_label(drawn, fmt="{:,.0f}", padding=3)
    axes.invert_yaxis()
    axes.set(title=title, xlabel=unit)
    axes.margins(x=0.12)
    _save(figure, path)


def lines(path: Path, title: str, x: Sequence[float], series: Mapping[str, Sequence[float]], labels: tuple[str, str]) -> None:
    """One line for each series over a logarithmic axis."""
    figure, axes = plt.subplots(figsize=(9, 4.5))
    for name, values in series.items():
        axes.plot(x, values, marker="o", label=name)
    axes.set(title=title, xlabel=labels[0], ylabel=labels[1], xscale="log", xticks=x)
    axes.set_xticks(x, [f"{value:,.0f}" for value in x])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    _save(figure, path)


def _save(figure: plt.Figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
