"""Reads and transfers together: 80 to 20 beside the peers, and the tail of a balance while postings run at half their rate."""

from __future__ import annotations

from collections import Counter

import psycopg

from benchmarks import history, load, names, routes
from benchmarks.beside import beside_postings
from benchmarks.history import Known
from benchmarks.measuring import Measure, answered, good, over_http
from benchmarks.reads import PREFIXES, sender, services
from benchmarks.requests import many, single
from benchmarks.run import CONNECTIONS, Run

_TAILS = ("ledger", "fastapi_app")


def mixed_part(run: Run) -> None:
    """80% reads and 20% transfers at 64 connections; then balances by one caller, alone and beside postings."""
    url = run.database.create("mixed")
    with services(run.database, url, run.problems) as known:
        for who in known:
            run.tally.acknowledged[_tallied(who)] = history.TRANSFERS
        run.rounds("Reads with transfers", [_mixed(run, what, who) for who, what in known.items()], run.reads)
        run.rounds("The rate of postings", [_postings(run, what, who) for who, what in known.items() if who in _TAILS], run.tails)
        tails = [measure for who, what in known.items() if who in _TAILS for measure in _balances(run, what, who)]
        run.rounds("Balances beside postings at half their rate", tails, run.tails)
        for who in PREFIXES:
            if who in known:
                run.check(_tallied(who), run.database.url(f"peer_{who}"), peer=who)
                run.broken += _made_or_lost(run, who)
    run.check(_tallied("ledger"), url)


def _tallied(who: str) -> str:
    return f"mixed, {who}"


def _mixed(run: Run, known: Known, who: str) -> Measure:
    def count(statuses: Counter[int]) -> int:
        run.tally.acknowledged[_tallied(who)] += statuses[201]
        return good(statuses)

    send = sender(known, routes.mixed_requests(known), CONNECTIONS)
    return Measure(names.mixed(who), answered(run.database, known.served, send, count))


def _made_or_lost(run: Run, who: str) -> list[str]:
    """See that a peer's balances sum up to what its merchants began with."""
    with psycopg.connect(run.database.url(f"peer_{who}")) as connection:
        (total,) = connection.execute(f"SELECT sum(balance) FROM {PREFIXES[who]}account").fetchone() or (0,)
    return [] if total == history.MERCHANTS * history.OPENING_MINOR else [f"mixed, {who}: the balances sum up to {total:,}"]


def _postings(run: Run, known: Known, who: str) -> Measure:
    doing = over_http(run.database, known.served, single(many), connections=CONNECTIONS, tally=run.tally, tallied_as=_tallied(who))
    return Measure(names.postings(who), doing)


def _balances(run: Run, known: Known, who: str) -> list[Measure]:
    """Balances by one caller, alone and while postings run at half the rate that was measured."""
    make = load.in_turn(routes.requests(routes.BALANCE, known))

    def send(seconds: float) -> load.Result:
        return load.run(known.served.port, make, connections=1, seconds=seconds)

    def count(posted: int) -> None:
        run.tally.acknowledged[_tallied(who)] += posted

    beside = beside_postings(send, known.served.port, lambda: run.rate(names.postings(who)) / 2, count)
    return [
        Measure(names.tail(who, alone=True), answered(run.database, known.served, send)),
        Measure(names.tail(who, alone=False), answered(run.database, known.served, beside)),
    ]
