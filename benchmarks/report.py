"""``report.md`` and ``report.json``: what was measured, as ratios, and which goals are met."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
from dataclasses import asdict
from pathlib import Path

from benchmarks import history, names, plots
from benchmarks.goals import goals
from benchmarks.measuring import Measure
from benchmarks.run import CONNECTIONS, ONLY, ROUNDS, SECONDS, Run

HERE = Path(__file__).parent
_SHARES = (0.5, 0.95, 0.99)


def _measure_row(measure: Measure, limit: float) -> str:
    application, database = measure.cpu_ms("application"), measure.cpu_ms("database")
    load = _number(measure.cpu_ms("generator") * measure.rate / 10, 0)
    latency = measure.samples[-1].latency_ms if measure.samples else math.nan
    tail = [measure.percentile_ms(share) for share in (0.5, 0.95, 0.99)]
    shown = [latency if math.isnan(tail[0]) else tail[0], *tail[1:]]
    cells = [_number(value, 1) for value in shown] + [_number(application, 3), _number(database, 3), load]
    return f"| {measure.name} | {_number(measure.rate, 0)} | {_number(measure.rate / limit, 2)} | {' | '.join(cells)} |"


def _number(value: float, digits: int) -> str:
    return "–" if math.isnan(value) else f"{value:,.{digits}f}"


def text(found: Run) -> str:
    """The report."""
    lines = [
        "# Benchmark",
        "",
        f"One run of {found.minutes:.1f} minutes on one machine with {os.cpu_count()} cores, Python {platform.python_version()};",
        f"PostgreSQL, service and load generator share the cores. {SECONDS:g} s a measure in {ROUNDS} rounds, all measures",
        "in turn; rates are medians of the rounds. fsync and synchronous_commit are on, all guards and hashes in place. Each transfer is",
        "committed with its fee, four entries and its idempotency record. Ratios mean something; absolute rates are those of this machine.",
        "",
        "## Goals",
        "",
        "| measure | goal | reached | |",
        "| --- | ---: | ---: | --- |",
        *(goal.row() for goal in goals(found) if not math.isnan(goal.reached) or not ONLY),
        "",
        "## Correctness",
        "",
        "After the measurements, on every database: "
        + (
            "; ".join(found.broken)
            if found.broken
            else "all invariants hold, and the transfers that are stored are exactly those that were acknowledged."
        ),
    ]
    return (
        "\n".join(
            [
                *lines,
                *_postings(found),
                *_reads(found),
                *_tails(found),
                *_events(found),
                *_storage(found),
                *_imports(found),
                *_growth(found),
                *_memory(found),
                *_rest(found),
            ]
        )
        + "\n"
    )


def _postings(found: Run) -> list[str]:
    if not found.measures:
        return []
    limit = found.rate(names.PGBENCH)
    return [
        "",
        "## Postings",
        "",
        "2 workers unless said otherwise. The CPU columns are processor milliseconds a transfer; *load* is the",
        "generator's part of one core, in per cent.",
        "",
        "| what | transfers/s | of pgbench | p50 ms | p95 ms | p99 ms | CPU app | CPU PostgreSQL | load |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(_measure_row(measure, limit) for measure in found.measures.values()),
        "",
        "For pgbench, p50 is the mean. For the constant view, a transfer is a request.",
        "",
        "![Rates](rates.svg)",
    ]


def _reads(found: Run) -> list[str]:
    if not found.reads:
        return []
    return [
        "",
        "## Reads",
        "",
        f"2 workers each, {history.MERCHANTS} merchants with {history.TRANSFERS:,} transfers. After each round some",
        "answers are compared with what is known of the history. The CPU columns are processor milliseconds a request, and how many times",
        "the ledger's they are; *load* is the generator's part of one core, in per cent.",
        "",
        "| what | requests/s | ledger / this | p50 ms | p99 ms | CPU app | CPU PostgreSQL | this / ledger | load |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(_read_row(found, measure) for measure in _together(found)),
        "",
        "![Reads](reads.svg)",
    ]


def _tails(found: Run) -> list[str]:
    if not found.tails:
        return []
    return [
        "",
        "## Balances beside postings",
        "",
        "One caller asks for balances, alone and while transfers are posted over 64 connections at half their rate.",
        "",
        "| what | requests/s | p50 ms | p95 ms | p99 ms |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(
            " | ".join([f"| {name}", _number(measure.rate, 0), *(_number(measure.percentile_ms(share), 2) for share in _SHARES)]) + " |"
            for name, measure in found.tails.items()
        ),
    ]


def _events(found: Run) -> list[str]:
    if not found.events:
        return []
    return [
        "",
        "## Events",
        "",
        "Transfers with and without readers of their events in turn. Latencies of the feed are those of a page; of deliveries, the age of",
        "an event when its receiver has it.",
        "",
        "| what | a second | p50 ms | p95 ms | p99 ms |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(
            " | ".join([f"| {name}", _number(measure.rate, 0), *(_number(measure.percentile_ms(share), 1) for share in _SHARES)]) + " |"
            for name, measure in found.events.items()
        ),
    ]


def _storage(found: Run) -> list[str]:
    if not found.storage:
        return []
    rows = sorted(found.storage, key=lambda stored: (stored.of, stored.table, -stored.bytes_each))
    sums = {of: sum(stored.bytes_each for stored in rows if stored.of == of) for of in ("journal", "keys")}
    return [
        "",
        "## Storage",
        "",
        f"After {found.tally.acknowledged['storage']:,} transfers with fees, posted one by one at {CONNECTIONS} connections: "
        f"{sums['journal']:,.0f} bytes of journal",
        f"and {sums['keys']:,.0f} bytes of key a transfer. What has less than a byte a transfer is left out.",
        "",
        "| of | table | rows, or index | bytes a transfer |",
        "| --- | --- | --- | ---: |",
        *(
            f"| {stored.of} | {stored.table} | {stored.part} | {_number(stored.bytes_each, 0)} |"
            for stored in rows
            if stored.bytes_each >= 1
        ),
    ]


def _imports(found: Run) -> list[str]:
    if not found.imports:
        return []
    times = found.imports[-ROUNDS:]
    command, process = (statistics.median(taken) for taken in ([t.command_s for t in times], [t.process_s for t in times]))
    lines = times[0].lines
    return [
        "",
        "## Imports",
        "",
        f"A file of {lines:,} lines: {lines / command:,.0f} lines a second as the command counts them, "
        f"{lines / process:,.0f} with the start",
        "and the end of its process. The batch call of 1,000 in the same rounds: "
        f"{found.rate(names.BATCH_BESIDE_IMPORT):,.0f} transfers a second.",
    ]


def _together(found: Run) -> list[Measure]:
    """The service's reads, each followed by the same of the peers."""
    order = list(dict.fromkeys(names.of_ledger(name) for name in found.reads))
    return sorted(found.reads.values(), key=lambda measure: order.index(names.of_ledger(measure.name)))


def _read_row(found: Run, measure: Measure) -> str:
    ledger = found.reads.get(names.of_ledger(measure.name))
    ratio, costs = (ledger.rate / measure.rate, _cost(measure) / _cost(ledger)) if ledger else (math.nan, math.nan)
    latencies = [_number(measure.percentile_ms(share), 2) for share in (0.5, 0.99)]
    cpu = [_number(measure.cpu_ms(which), 3) for which in ("application", "database")]
    load = _number(measure.cpu_ms("generator") * measure.rate / 10, 0)
    return " | ".join([f"| {measure.name}", _number(measure.rate, 0), _number(ratio, 2), *latencies, *cpu, _number(costs, 2), f"{load} |"])


def _cost(measure: Measure) -> float:
    return measure.cpu_ms("application") + measure.cpu_ms("database")


def _growth(found: Run) -> list[str]:
    if not found.growth:
        return []
    titles = list(found.growth[0].rates)
    rows = [
        f"| {size.entries:,} | " + " | ".join(_number(size.rates.get(name, math.nan), 0) for name in titles) + " |" for size in found.growth
    ]
    head = ["", "## Growth", "", "| entries | " + " | ".join(titles) + " |", "| ---: |" + " ---: |" * len(titles)]
    return [*head, *rows, "", "![Growth](growth.svg)"]


def _memory(found: Run) -> list[str]:
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


def _rest(found: Run) -> list[str]:
    lines = ["", "## Statement pages", "", found.statements] if found.statements else []
    lines += ["", "## Reconciliation", "", "```", found.proof.printed, "```"] if found.proof else []
    if found.starts_s:
        lines += [
            "",
            "## Start",
            "",
            "`manage.py serve` with 2 workers, from its start until `/readyz` is 200, on a database that is there:",
        ]
        lines += [f"{statistics.median(found.starts_s):.2f} s (median of {len(found.starts_s)})."]
    if found.problems:
        lines += ["", "## Not measured, or not as planned", "", *(f"* {problem}" for problem in found.problems)]
    return lines


def write(found: Run) -> str:
    """Write report, figures and pictures; return the report."""
    rates = {measure.name: measure.rate for measure in found.measures.values() if measure.samples}
    if rates:
        plots.bars(HERE / "rates.svg", "Transfers a second", rates, "transfers/s (medians)")
    if found.reads:
        rates = {measure.name: measure.rate for measure in _together(found) if measure.samples and "alone" not in measure.name}
        plots.bars(HERE / "reads.svg", "Reads a second, 64 connections", rates, "requests/s (medians)")
    if len(found.growth) > 1:
        series = {name: [size.rates.get(name, math.nan) for size in found.growth] for name in found.growth[0].rates}
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
                "generator_cpu_ms": measure.cpu_ms("generator"),
            }
            for measure in (*found.measures.values(), *found.reads.values(), *found.tails.values(), *found.events.values())
        },
        "storage": [{**asdict(stored), "of": stored.of} for stored in found.storage],
        "imports": [asdict(one) for one in found.imports],
        "starts_s": found.starts_s,
        "proof": asdict(found.proof) if found.proof else None,
        "growth": [asdict(size) for size in found.growth],
        "memory": asdict(found.memory) if found.memory else None,
        "problems": list(found.problems),
        "broken": list(found.broken),
        "seconds": SECONDS,
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
