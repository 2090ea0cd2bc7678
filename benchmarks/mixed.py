"""Reads and transfers together: 80 to 20 beside the peers, and the tail of a balance while postings run at half their rate."""

from __future__ import annotations

import psycopg

from benchmarks import history, load, names, routes
from benchmarks.beside import beside_postings
from benchmarks.history import Known
from benchmarks.limits import stored_transfers, violated
from benchmarks.measuring import Measure, Sample, answered, over_http
from benchmarks.reads import PREFIXES, sender, services
from benchmarks.requests import many, single
from benchmarks.run import CONNECTIONS, PEER_COUNTS, Run

_TOLERANCE = 0.1
"""wrk tells how many requests were answered, not which: a fifth of them are transfers, within this."""


def mixed_part(run: Run) -> None:
    """80% reads and 20% transfers at 64 connections; then balances by one caller, alone and beside postings."""
    url = run.database.create("mixed")
    with services(run.database, url, run.problems) as known:
        urls = {who: url if who == "ledger" else run.database.url(f"peer_{who}") for who in known}
        sent = {who: _Sent() for who in known}
        run.rounds("Reads with transfers", [_mixed(run, what, who, sent[who]) for who, what in known.items()], run.reads)
        for who in known:
            run.broken += _wrong(who, urls[who], sent[who])
        run.rounds("The rate of postings", [_postings(run, what, who) for who, what in known.items() if who in _TAILS], run.tails)
        tails = [measure for who, what in known.items() if who in _TAILS for measure in _balances(run, what, who)]
        run.rounds("Balances beside postings at half their rate", tails, run.tails)
    run.broken += [f"mixed: violated: {what}" for what in violated(url)]


_TAILS = ("ledger", "fastapi_app")


class _Sent:
    """Requests of the mix that were answered, and rounds that may have left some under way."""

    def __init__(self) -> None:
        self.answers, self.rounds = 0, 0


def _mixed(run: Run, known: Known, who: str, sent: _Sent) -> Measure:
    requests, _ = routes.mixed_requests(known)
    doing = answered(run.database, known.served, sender(known, requests, CONNECTIONS))

    def round_(seconds: float) -> Sample:
        sample = doing(seconds)
        sent.answers, sent.rounds = sent.answers + sample.transfers, sent.rounds + 1
        return sample

    return Measure(names.mixed(who), round_)


def _wrong(who: str, url: str, sent: _Sent) -> list[str]:
    """See that a fifth of the answers are stored transfers, and that no money was made or lost."""
    stored = stored_transfers(url, PEER_COUNTS.get(who)) - history.TRANSFERS
    expected = sent.answers * (100 - sum(routes.MIX.values())) / 100
    found = []
    if abs(stored - expected) > expected * _TOLERANCE + sent.rounds * CONNECTIONS:
        found.append(f"mixed, {who}: {stored:,} transfers are stored, about {expected:,.0f} were acknowledged")
    if who in PREFIXES:
        with psycopg.connect(url) as connection:
            (total,) = connection.execute(f"SELECT sum(balance) FROM {PREFIXES[who]}account").fetchone() or (0,)
        if total != history.MERCHANTS * history.OPENING_MINOR:
            found.append(f"mixed, {who}: the balances sum up to {total:,}")
    return found


def _postings(run: Run, known: Known, who: str) -> Measure:
    doing = over_http(run.database, known.served, single(many), connections=CONNECTIONS, tally=run.tally, tallied_as=f"mixed, {who}")
    return Measure(names.postings(who), doing)


def _balances(run: Run, known: Known, who: str) -> list[Measure]:
    """Balances by one caller, alone and while postings run at half the rate that was measured."""
    make = load.in_turn(routes.requests(routes.BALANCE, known))

    def send(seconds: float) -> load.Result:
        return load.run(known.served.port, make, connections=1, seconds=seconds)

    beside = beside_postings(send, known.served.port, lambda: run.rate(names.postings(who)) / 2)
    return [
        Measure(names.tail(who, alone=True), answered(run.database, known.served, send)),
        Measure(names.tail(who, alone=False), answered(run.database, known.served, beside)),
    ]
