"""``make compare BASE=<revision>``: this checkout beside an earlier one, in one run, alternately; the ratio of each measure.

Machines are noisy, so both are measured in turn (A B, B A, A B, …), ``ROUNDS`` (9) times ``SECONDS`` (2) each; ``ONLY`` names
some of the measures by a part of their names. A ratio is the median of the rounds' ratios, and beside it stand the quartiles.
The revision must bring requirements that this environment has. Reads come first, on a history that both have.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import history, load, routes
from benchmarks.limits import stored_transfers, violated
from benchmarks.machines import ROOT, Database, Served, ledger, settle
from benchmarks.measuring import Sample, Tally, answered, over_http
from benchmarks.reads import sender
from benchmarks.requests import batch, constant, from_one, many, single, to_one
from benchmarks.routes import Route

SECONDS = float(os.environ.get("SECONDS", "2"))
ROUNDS = int(os.environ.get("ROUNDS", "9"))
ONLY = os.environ.get("ONLY", "")

_MEASURES: dict[str, tuple[load.Next, int, int]] = {
    "single, 1 connection": (single(many), 1, 1),
    "single, 8 connections": (single(many), 8, 1),
    "single, 64 connections": (single(many), 64, 1),
    "single, 64 connections, one receiver": (single(to_one), 64, 1),
    "single, 64 connections, one sender": (single(from_one), 64, 1),
    "batch of 100": (batch(many, 100), 4, 100),
    "batch of 1,000": (batch(many, 1000), 4, 1000),
    "a constant view, 64 connections": (constant, 64, 1),
}
"""Requests, connections, transfers a request."""


@dataclass(slots=True)
class _Side:
    """One of the two states: its server and what runs each measure on it."""

    name: str
    served: Served
    url: str
    invariants: dict[str, str]
    doing: dict[str, Callable[[float], Sample]] = field(default_factory=dict)
    rates: dict[str, list[float]] = field(default_factory=dict)


@contextlib.contextmanager
def _checkout(revision: str) -> Iterator[Path]:
    """A checkout of a revision, beside this one's data."""
    folder = ROOT / ".data-compare" / "base"
    subprocess.run(["git", "worktree", "add", "--force", "--detach", str(folder), revision], cwd=ROOT, check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", str(folder)], cwd=ROOT, check=True, capture_output=True)


def _side(name: str, database: Database, folder: Path, stack: contextlib.ExitStack, tally: Tally) -> _Side:
    """A state with the same history as the other: its calls of postings, and its reads alone and at 64 connections."""
    url = database.create(name)
    side = _Side(name, stack.enter_context(ledger(url, 2, folder=folder)), url, _invariants(folder))
    known = history.at_ledger(side.served)
    settle(url)
    tally.acknowledged[name] += history.TRANSFERS
    for route in routes.READS:
        for connections in (1, 64):
            send = sender(known, routes.requests(route, known), connections)
            side.doing[_read_name(route, connections)] = answered(database, side.served, send)
    for measure, (make, connections, each) in _MEASURES.items():
        counted = f"{name}, a constant" if measure.startswith("a constant") else name
        side.doing[measure] = over_http(
            database, side.served, make, connections=connections, tally=tally, tallied_as=counted, per_request=each
        )
    side.rates = {measure: [] for measure in side.doing}
    return side


def _read_name(route: Route, connections: int) -> str:
    return f"{route.name}, {connections} connection{'s' * (connections > 1)}"


def _invariants(folder: Path) -> dict[str, str]:
    """The invariants of a checkout, whose tables may not be those of another."""
    module = "tests.support.invariants" if (folder / "tests" / "support" / "invariants.py").exists() else "tests.invariants"
    program = f"import json; from {module} import INVARIANTS; print(json.dumps(INVARIANTS))"
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def _alternate(measure: str, sides: tuple[_Side, _Side]) -> None:
    for side in sides:
        side.doing[measure](min(1.0, SECONDS))
    for number in range(ROUNDS):
        for side in sides if number % 2 == 0 else sides[::-1]:
            side.rates[measure].append(side.doing[measure](SECONDS).rate)


def _line(measure: str, base: _Side, now: _Side) -> str:
    ratios = [after / before for before, after in zip(base.rates[measure], now.rates[measure], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
    medians = [statistics.median(side.rates[measure]) for side in (base, now)]
    return f"| {measure} | {medians[0]:,.0f} | {medians[1]:,.0f} | {middle:.3f} | {low:.3f}–{high:.3f} |"


def main() -> int:
    """Measure both, print the table, and return 1 if a transfer is missing or an invariant is violated."""
    revision = sys.argv[1]
    data_dir = ROOT / ".data-compare"
    shutil.rmtree(data_dir, ignore_errors=True)
    subprocess.run(["git", "worktree", "prune"], cwd=ROOT, check=True)
    database, tally, broken = Database(data_dir / "database"), Tally(), []
    with database.running(), _checkout(revision) as folder, contextlib.ExitStack() as stack:
        base, now = (_side(name, database, where, stack, tally) for name, where in (("base", folder), ("now", ROOT)))
        print(f"\n| measure | {revision} | this checkout | ratio | quartiles |\n| --- | ---: | ---: | ---: | ---: |", flush=True)
        for measure in (name for name in now.doing if ONLY in name):
            _alternate(measure, (base, now))
            print(_line(measure, base, now), flush=True)
        for side in (base, now):
            expected, stored = tally.acknowledged[side.name], stored_transfers(side.url, None)
            broken += [f"{side.name}: {expected:,} acknowledged, {stored:,} stored"] if expected != stored else []
            broken += [f"{side.name}: violated: {what}" for what in violated(side.url, side.invariants)]
    shutil.rmtree(data_dir, ignore_errors=True)
    print("\n" + ("; ".join(broken) or "All invariants hold; what is stored is what was acknowledged."))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
