"""``report.md`` and ``report.json``: what was measured, as ratios, and which goals are met."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import plots
from benchmarks.measuring import Measure

HERE = Path(__file__).parent

PGBENCH = "pgbench, one function call a transfer, 8 clients"
PGBENCH_ONE = "pgbench, the same, all to one receiver"
PGBENCH_SET = "pgbench, set-based batches of 1,000, 1 client"
ONE_WORKER = "HTTP, 64 connections, many accounts, 1 worker"
WITH_KEY = "HTTP, 64 connections, many accounts, with an API key"
LOCKED = "HTTP, 64 connections, many accounts, while 20 clients ask for locked accounts"
CONSTANT = "an adrf view that returns a constant, 1 worker"
HALF = "HTTP at half the maximum rate, 64 connections"
_PEERS = {
    "fastapi_app": "peer: FastAPI + SQLAlchemy async + asyncpg, 2 workers",
    "plain_django": "peer: Django + DRF, synchronous, 2 workers of 8 threads",
    "hordak_django": "peer: django-hordak behind DRF, 2 workers of 8 threads",
}


def peer_name(module: str) -> str:
    """The name of a peer's measure."""
    return _PEERS[module]


def single_name(connections: int, pattern: str) -> str:
    """The name of a measure of single transfers."""
    return f"HTTP, {connections} connection{'s' * (connections > 1)}, {pattern}"


def batch_name(size: int, pattern: str) -> str:
    """The name of a measure of the batch call."""
    return f"batch of {size:,}, {pattern}"


@dataclass(slots=True)
class Size:
    """A journal of so many entries, and the rates on it."""

    entries: int
    rates: dict[str, float]


@dataclass(slots=True)
class Memory:
    """Resident MiB of one worker after a few and after many transfers."""

    early_transfers: int
    early_mib: float
    late_transfers: int
    late_mib: float


@dataclass(slots=True)
class Findings:
    """Everything that a run found."""

    seconds: float
    rounds: int
    minutes: float
    measures: Mapping[str, Measure]
    growth: Sequence[Size]
    memory: Memory | None
    statements: str
    problems: Sequence[str]
    broken: Sequence[str]

    def rate(self, name: str) -> float:
        """The median rate of a measure; not a number if it could not be measured."""
        return self.measures[name].rate if name in self.measures else math.nan


@dataclass(slots=True)
class Goal:
    """What was to be reached, what was, and what stands in the way where it was not."""

    what: str
    wanted: float
    reached: float
    at_most: bool = False
    obstacle: str = ""

    @property
    def met(self) -> bool | None:
        """Whether it is met; None if it was not measured."""
        if math.isnan(self.reached):
            return None
        return self.reached <= self.wanted if self.at_most else self.reached >= self.wanted

    def row(self) -> str:
        """Its line of the table."""
        sign = "≤" if self.at_most else "≥"
        if self.met is None:
            verdict = "not measured"
        elif self.met:
            verdict = "met"
        else:
            verdict = f"missed by {abs(self.reached / self.wanted - 1):.0%}. Supposed: {self.obstacle}"
        return f"| {self.what} | {sign} {self.wanted:g} | {self.reached:.2f} | {verdict} |"


_ROWS = "Two workers' batches have accounts in common, so one waits until the other has committed, and the cores idle meanwhile."
_ALONE = "A transfer takes 2.5 times the constant's processor time in the one interpreter, and all callers wait for the posting under way."


def goals(found: Findings) -> list[Goal]:
    """Every goal."""
    rate, main = found.rate, found.rate(single_name(64, "many accounts"))
    thousand, thousand_one = rate(batch_name(1000, "many accounts")), rate(batch_name(1000, "one receiver"))
    hot = rate(single_name(64, "one receiver"))
    half = found.measures.get(HALF)
    tail = half.percentile_ms(0.99) / half.percentile_ms(0.5) if half and half.samples else math.nan
    grown = (
        found.growth[-1].rates["HTTP, 64 connections"] / found.growth[0].rates["HTTP, 64 connections"]
        if len(found.growth) > 1
        else math.nan
    )
    size = f"{found.growth[-1].entries:,}" if found.growth else "many"
    memory = found.memory.late_mib / found.memory.early_mib if found.memory else math.nan
    after = f"{found.memory.late_transfers:,} / after {found.memory.early_transfers:,}" if found.memory else "many / few"
    return [
        Goal(
            "HTTP single, 64 connections, 2 workers / FastAPI peer with 2 workers", 8, main / rate(peer_name("fastapi_app")), obstacle=_ROWS
        ),
        Goal("the same / plain Django + DRF peer with 2 workers", 15, main / rate(peer_name("plain_django")), obstacle=_ROWS),
        Goal("batch of 1,000 / pgbench one call per transfer, 8 clients", 1.5, thousand / rate(PGBENCH), obstacle=_ROWS),
        Goal("batch of 1,000 / pgbench set-based of 1,000", 0.85, thousand / rate(PGBENCH_SET), obstacle=_ROWS),
        Goal("all to one receiver / many accounts, HTTP", 0.9, hot / main, obstacle="One chain has one writer at a time."),
        Goal(
            "all to one receiver / many accounts, batch of 1,000",
            0.9,
            thousand_one / thousand,
            obstacle="Two workers wait for one account.",
        ),
        Goal("one worker's transfers / its rate of a constant adrf view", 0.45, rate(ONE_WORKER) / rate(CONSTANT), obstacle=_ALONE),
        Goal(
            "HTTP single with an API key / without",
            0.9,
            rate(WITH_KEY) / main,
            obstacle="The key is hashed and looked up in memory for each request.",
        ),
        Goal(
            "others' rate while 20 clients ask for locked accounts / alone",
            0.8,
            rate(LOCKED) / main,
            obstacle="Jobs that wait for a lock are tried by a thread of the same interpreter.",
        ),
        Goal(f"HTTP at {size} entries / at 10 thousand", 0.9, grown, obstacle="Deeper indexes and more pages written for each checkpoint."),
        Goal(
            "p99 at half the maximum rate / its p50",
            4,
            tail,
            at_most=True,
            obstacle="A commit now and then waits for the disk or a checkpoint.",
        ),
        Goal(
            f"memory of a worker after {after} transfers",
            1.1,
            memory,
            at_most=True,
            obstacle="The caches of identities fill up to their bounds.",
        ),
    ]


def _measure_row(measure: Measure, limit: float) -> str:
    application, database = measure.cpu_ms("application"), measure.cpu_ms("database")
    latency = measure.samples[-1].latency_ms if measure.samples else math.nan
    tail = [measure.percentile_ms(share) for share in (0.5, 0.95, 0.99)]
    shown = [latency if math.isnan(tail[0]) else tail[0], *tail[1:]]
    cells = [_number(value, 1) for value in shown] + [_number(application, 3), _number(database, 3)]
    return f"| {measure.name} | {_number(measure.rate, 0)} | {_number(measure.rate / limit, 2)} | {' | '.join(cells)} |"


def _number(value: float, digits: int) -> str:
    return "–" if math.isnan(value) else f"{value:,.{digits}f}"


def text(found: Findings) -> str:
    """The report."""
    limit = found.rate(PGBENCH)
    lines = [
        "# Benchmark",
        "",
        f"One run of {found.minutes:.1f} minutes on one machine with {os.cpu_count()} cores, Python {platform.python_version()};",
        f"PostgreSQL, service and load generator share the cores. {found.seconds:g} s a measure in {found.rounds} rounds, all measures",
        "in turn; rates are medians of the rounds. fsync and synchronous_commit are on, all guards and hashes in place. Each transfer is",
        "committed with its fee, four entries and its idempotency record. Ratios mean something; absolute rates are those of this machine.",
        "",
        "## Goals",
        "",
        "| measure | goal | reached | |",
        "| --- | ---: | ---: | --- |",
        *(goal.row() for goal in goals(found)),
        "",
        "## Correctness",
        "",
        "After the measurements, on every database: "
        + (
            "; ".join(found.broken)
            if found.broken
            else "all invariants hold, and the transfers that are stored are exactly those that were acknowledged."
        ),
        "",
        "## Measures",
        "",
        "2 workers unless said otherwise. The CPU columns are processor milliseconds a transfer.",
        "",
        "| what | transfers/s | of pgbench | p50 ms | p95 ms | p99 ms | CPU app | CPU PostgreSQL |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(_measure_row(measure, limit) for measure in found.measures.values()),
        "",
        "For pgbench, p50 is the mean. For the constant view, a transfer is a request.",
        "",
        "![Rates](rates.svg)",
    ]
    return "\n".join([*lines, *_growth(found), *_memory(found), *_rest(found)]) + "\n"


def _growth(found: Findings) -> list[str]:
    if not found.growth:
        return []
    names = list(found.growth[0].rates)
    rows = [f"| {size.entries:,} | " + " | ".join(_number(size.rates[name], 0) for name in names) + " |" for size in found.growth]
    head = ["", "## Growth", "", "| entries | " + " | ".join(names) + " |", "| ---: |" + " ---: |" * len(names)]
    return [*head, *rows, "", "![Growth](growth.svg)"]


def _memory(found: Findings) -> list[str]:
    if found.memory is None:
        return []
    memory = found.memory
    return [
        "",
        "## Memory",
        "",
        f"One worker holds {memory.early_mib:.0f} MiB after {memory.early_transfers:,} transfers, {memory.late_mib:.0f} MiB after "
        f"{memory.late_transfers:,}.",
    ]


def _rest(found: Findings) -> list[str]:
    lines = ["", "## Statement pages", "", found.statements] if found.statements else []
    if found.problems:
        lines += ["", "## Not measured, or not as planned", "", *(f"* {problem}" for problem in found.problems)]
    return lines


def write(found: Findings) -> str:
    """Write report, figures and pictures; return the report."""
    rates = {measure.name: measure.rate for measure in found.measures.values() if measure.samples}
    if rates:
        plots.bars(HERE / "rates.svg", "Transfers a second", rates, "transfers/s (medians)")
    if len(found.growth) > 1:
        series = {name: [size.rates[name] for size in found.growth] for name in found.growth[0].rates}
        plots.lines(
            HERE / "growth.svg", "Growth", [size.entries for size in found.growth], series, ("entries in the journal", "transfers/s")
        )
    figures = {
        "goals": [{**asdict(goal), "met": goal.met} for goal in goals(found)],
        "measures": {
            measure.name: {
                "rate": measure.rate,
                "rounds": [sample.rate for sample in measure.samples],
                **{f"p{round(share * 100)}_ms": measure.percentile_ms(share) for share in (0.5, 0.95, 0.99)},
                "application_cpu_ms": measure.cpu_ms("application"),
                "database_cpu_ms": measure.cpu_ms("database"),
            }
            for measure in found.measures.values()
        },
        "growth": [asdict(size) for size in found.growth],
        "memory": asdict(found.memory) if found.memory else None,
        "problems": list(found.problems),
        "broken": list(found.broken),
        "seconds": found.seconds,
    }
    (HERE / "report.json").write_text(json.dumps(_plain(figures), indent=1, ensure_ascii=False) + "\n")
    written = text(found)
    (HERE / "report.md").write_text(written)
    return written


def _plain(value: object) -> object:
    """JSON has no NaN."""
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 4)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
