"""The same postings and reads on a journal of ten thousand entries, of a million, and with ``GROWTH=5000000`` of five million, in turn."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

import psycopg

from benchmarks import load, routes
from benchmarks.history import Known
from benchmarks.limits import fill, pgbench, prepare
from benchmarks.machines import Served, ledger
from benchmarks.measuring import Measure, answered, over_http, run_rounds
from benchmarks.reads import sender
from benchmarks.requests import MERCHANTS, batch, many, name, single
from benchmarks.run import CONNECTIONS, GROWTH, ONLY, ROUNDS, SECONDS, Run, Size
from benchmarks.setup import register

SIZES = (10_000, 1_000_000, 5_000_000)


@dataclass(slots=True)
class _Journal:
    """A service on a journal of so many entries."""

    served: Served
    url: str
    called: str
    entries: int
    measures: dict[str, Measure] = field(default_factory=dict)


def growth_part(run: Run) -> None:
    """Fill a journal to each size. Then measure reads, which change no size, and postings, on all of them in turn."""
    with contextlib.ExitStack() as stack:
        journals = [_filled(run, stack, size) for size in SIZES if size <= max(GROWTH, SIZES[0])]
        for measures in (_reads, _postings):
            each = [measures(run, journal) for journal in journals]
            for journal, found in zip(journals, each, strict=True):
                journal.measures |= found
            # By measure and then by size, so that what is compared is measured one after the other.
            in_turn = [
                measure for same in zip(*(found.values() for found in each), strict=True) for measure in same if ONLY in measure.name
            ]
            run_rounds(in_turn, SECONDS, ROUNDS, run.problems)
        for journal in journals:
            run.growth.append(Size(journal.entries, {what: measure.rate for what, measure in journal.measures.items() if measure.samples}))
            run.check(journal.called, journal.url)


def _filled(run: Run, stack: contextlib.ExitStack, size: int) -> _Journal:
    called = f"growth_{size}"
    url = run.database.create(called)
    served = stack.enter_context(ledger(url, 2))
    register(served, run.tally, called)
    prepare(url)
    print(f"Filling to {size:,} entries", flush=True)
    return _Journal(served, url, called, fill(url, size))


def _reads(run: Run, journal: _Journal) -> dict[str, Measure]:
    with psycopg.connect(journal.url) as connection:
        wallets = [str(wallet) for (wallet,) in connection.execute("SELECT wallet FROM bench_accounts ORDER BY n LIMIT %s", [MERCHANTS])]
    known = Known(journal.served)
    paths = {
        routes.BALANCE.name: [f"/merchants/{name(number)}/balance?currency=USD" for number in range(MERCHANTS)],
        routes.STATEMENT.name: [f"/accounts/{wallet}/statement?limit={routes.PAGE}" for wallet in wallets],
        routes.LIST.name: [f"/transfers?merchant={name(number)}&limit={routes.PAGE}" for number in range(MERCHANTS)],
    }
    return {
        what: Measure(
            f"{what}, {journal.entries:,} entries",
            answered(run.database, journal.served, sender(known, [load.get(path) for path in of_route], CONNECTIONS)),
        )
        for what, of_route in paths.items()
    }


def _postings(run: Run, journal: _Journal) -> dict[str, Measure]:
    at = f"{journal.entries:,} entries"
    singles = over_http(run.database, journal.served, single(many), connections=CONNECTIONS, tally=run.tally, tallied_as=journal.called)
    batches = over_http(
        run.database, journal.served, batch(many, 1000), connections=4, tally=run.tally, tallied_as=journal.called, per_request=1000
    )
    return {
        "HTTP, 64 connections": Measure(f"HTTP, 64 connections, {at}", singles),
        "batch of 1,000": Measure(f"batch of 1,000, {at}", batches),
        "pgbench": Measure(f"pgbench, {at}", pgbench(run.database, journal.url, "pgbench.sql", clients=8)),
    }
