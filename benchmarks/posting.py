"""Postings: single transfers and batches beside pgbench and the peers; memory; the same on large journals."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import subprocess
import sys

from benchmarks import names
from benchmarks.limits import fill, pgbench, prepare
from benchmarks.locked import beside_locked
from benchmarks.machines import ROOT, Served, install_peers, ledger, peer
from benchmarks.measuring import Measure, over_http, run_rounds
from benchmarks.requests import PATTERNS, batch, constant, many, single, to_one
from benchmarks.run import GROWTH, PEER_COUNTS, ROUNDS, SECONDS, Memory, Run, Size
from benchmarks.setup import register

CONNECTIONS = (1, 32, 64, 256)


def api_key(url: str) -> str:
    """Make an API key of the platform's and return it."""
    made = subprocess.run(
        [sys.executable, "manage.py", "api_key", "create", "benchmark", "--platform"],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url, "SECRET_KEY": "x", "LEDGER_AUTH": "open", "LEDGER_BIND": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=True,
    )
    (found,) = re.findall(r"lk_\S+", made.stdout)
    return str(found)


def over_connections(run: Run, served: Served) -> list[Measure]:
    """(a) Single transfers."""
    return [
        Measure(
            names.single(connections, pattern),
            over_http(run.database, served, single(pair), connections=connections, tally=run.tally, tallied_as="ledger"),
        )
        for pattern, pair in PATTERNS.items()
        for connections in CONNECTIONS
    ]


def batches(run: Run, served: Served) -> list[Measure]:
    """(b) The batch call."""
    return [
        Measure(
            names.batch(size, pattern),
            over_http(run.database, served, batch(pair, size), connections=4, tally=run.tally, tallied_as="ledger", per_request=size),
        )
        for pattern, pair in (("many accounts", many), ("one receiver", to_one))
        for size in (100, 1000)
    ]


def limits(run: Run, url: str) -> list[Measure]:
    """(c) The same SQL by pgbench."""
    return [
        Measure(names.PGBENCH, pgbench(run.database, url, "pgbench.sql", clients=8)),
        Measure(names.PGBENCH_ONE, pgbench(run.database, url, "pgbench_one_receiver.sql", clients=8)),
        Measure(names.PGBENCH_SET, pgbench(run.database, url, "pgbench_batch.sql", clients=1, per_transaction=1000)),
    ]


def peers(run: Run, stack: contextlib.ExitStack) -> list[Measure]:
    """(d) The peers, each on a database of its own."""
    found = []
    try:
        install_peers()
    except (subprocess.SubprocessError, OSError) as error:
        run.problems.append(f"the peers' environment could not be installed: {error}")
        return []
    for module in PEER_COUNTS:
        try:
            served = stack.enter_context(peer(run.database, module))
        except (subprocess.SubprocessError, OSError, RuntimeError) as error:
            run.problems.append(f"{module} does not start: {error}")
            continue
        doing = over_http(run.database, served, single(many), connections=64, tally=run.tally, tallied_as=module)
        found.append(Measure(names.peer(module), doing))
    return found


def main_part(run: Run) -> None:
    """Everything on a small journal: single, batch, limits, peers, one worker, half the rate."""
    url = run.database.url("ledger")
    with contextlib.ExitStack() as stack:
        two, one = stack.enter_context(ledger(url, 2)), stack.enter_context(ledger(url, 1))
        register(two, run.tally, "ledger")
        prepare(url)

        def http(served: Served, **more: object) -> object:
            return over_http(run.database, served, single(many), connections=64, tally=run.tally, tallied_as="ledger", **more)

        run.rounds(
            "Ratios",
            [
                *limits(run, url),
                *over_connections(run, two),
                Measure(
                    names.WITH_KEY,
                    over_http(
                        run.database,
                        two,
                        single(many, credential=api_key(url)),
                        connections=64,
                        tally=run.tally,
                        tallied_as="ledger",
                    ),
                ),
                Measure(
                    names.LOCKED,
                    beside_locked(
                        over_http(run.database, two, single(many), connections=64, tally=run.tally, tallied_as="ledger"),
                        url=url,
                        port=two.port,
                        tally=run.tally,
                        tallied_as="ledger",
                    ),
                ),
                *batches(run, two),
                *peers(run, stack),
                Measure(names.ONE_WORKER, http(one)),
                Measure(names.CONSTANT, over_http(run.database, one, constant, connections=64, tally=run.tally, tallied_as="nothing")),
            ],
            run.measures,
        )
        half = run.rate(names.single(64, "many accounts")) / 2
        run.rounds("Half the rate", [Measure(names.HALF, http(two, rate=lambda: half))], run.measures)
        for module in PEER_COUNTS:
            if names.peer(module) in run.measures:
                run.check(module, run.database.url(f"peer_{module}"))
    run.check("ledger", url)


def growth_part(run: Run) -> None:
    """(e) The same at 10 thousand entries, a million, and with GROWTH=5000000 five million; (f) memory on the way."""
    url = run.database.create("growth")
    sizes = [size for size in (10_000, 1_000_000, 5_000_000) if size <= max(GROWTH, 10_000)]
    with ledger(url, 2) as served:
        register(served, run.tally, "growth")
        prepare(url)
        for size in sizes:
            print(f"Filling to {size:,} entries", flush=True)
            entries = fill(url, size)
            measures = [
                Measure(
                    "HTTP, 64 connections",
                    over_http(run.database, served, single(many), connections=64, tally=run.tally, tallied_as="growth"),
                ),
                Measure(
                    "batch of 1,000",
                    over_http(
                        run.database, served, batch(many, 1000), connections=4, tally=run.tally, tallied_as="growth", per_request=1000
                    ),
                ),
                Measure("pgbench", pgbench(run.database, url, "pgbench.sql", clients=8)),
            ]
            run_rounds(measures, SECONDS, ROUNDS, run.problems)
            run.growth.append(Size(entries, {measure.name: measure.rate for measure in measures}))
        run.check("growth", url)


def memory_part(run: Run) -> None:
    """(f) Memory of one worker after 10,000 transfers, and after many more."""
    url = run.database.create("memory")
    target = 500_000 if SECONDS >= 10 else 50_000
    with ledger(url, 1) as served:
        register(served, run.tally, "memory")

        def send(transfers: int) -> None:
            doing = over_http(run.database, served, batch(many, 500), connections=4, tally=run.tally, tallied_as="memory", per_request=500)
            singles = over_http(run.database, served, single(many), connections=64, tally=run.tally, tallied_as="memory")
            goal = run.tally.acknowledged["memory"] + transfers
            singles(1.0)
            while run.tally.acknowledged["memory"] < goal:
                doing(1.0)

        send(10_000)
        early, first = served.worker_memory(), run.tally.acknowledged["memory"]
        send(target - first)
        run.memory = Memory(first, early, run.tally.acknowledged["memory"], served.worker_memory())
        run.check("memory", url)
    print(f"Memory: {run.memory}", flush=True)


def statement_pages(run: Run) -> None:
    """Reads of statements, measured by a module of their own if it is there."""
    if importlib.util.find_spec("benchmarks.statement_pages") is None:
        return
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.statement_pages"], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    run.statements = done.stdout.strip()
    if done.returncode:
        run.problems.append(f"benchmarks.statement_pages ended with {done.returncode}: {done.stderr.strip()[-300:]}")
