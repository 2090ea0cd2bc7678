"""Postings: single transfers and batches beside pgbench and the peers; and the memory that they leave a worker with."""

from __future__ import annotations

import contextlib
import math
import os
import re
import subprocess
import sys

from benchmarks import names
from benchmarks.limits import pgbench, prepare
from benchmarks.locked import beside_locked
from benchmarks.machines import ROOT, Served, install_peers, ledger, peer
from benchmarks.measuring import Measure, over_http
from benchmarks.requests import PATTERNS, batch, constant, many, single, to_one
from benchmarks.run import PEER_COUNTS, SECONDS, Memory, Run
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
        if not math.isnan(half):
            run.rounds("Half the rate", [Measure(names.HALF, http(two, rate=lambda: half))], run.measures)
        for module in PEER_COUNTS:
            if names.peer(module) in run.measures:
                run.check(module, run.database.url(f"peer_{module}"), peer=module)
    run.check("ledger", url)


def memory_part(run: Run) -> None:
    """(e) Memory of one worker after 10,000 transfers, and after many more."""
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
