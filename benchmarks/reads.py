"""Reads of the service beside the same reads of both peers, on the same history: alone, at 64 connections, and mixed with transfers."""

from __future__ import annotations

import contextlib
import random
import subprocess
from collections.abc import Callable, Iterator, Sequence

from benchmarks import history, load, names, routes
from benchmarks.history import Known
from benchmarks.machines import Database, install_peers, ledger, peer, settle
from benchmarks.measuring import Measure, Sample, Unexpected, answered
from benchmarks.routes import Route
from benchmarks.run import CONNECTIONS, Run

PREFIXES = {"fastapi_app": "", "plain_django": "plain_"}
"""Peers with these reads, and how their tables' names begin."""


def reads_part(run: Run) -> None:
    """Each route of the service beside the same of both peers, alone and at 64 connections."""
    with services(run.database, run.database.create("reads"), run.problems) as known:
        measures = [measure for who, what in known.items() for measure in reads(run.database, what, who, routes.READS)]
        run.rounds("Reads", measures, run.reads)
        for what in known.values():
            routes.post_replayed(what)
        measures = [measure for who, what in known.items() for measure in reads(run.database, what, who, [routes.REPLAY])]
        run.rounds("Replays", measures, run.reads)


@contextlib.contextmanager
def services(database: Database, url: str, problems: list[str]) -> Iterator[dict[str, Known]]:
    """The service and the peers with their history, until the block ends."""
    with contextlib.ExitStack() as stack:
        found = {"ledger": history.at_ledger(stack.enter_context(ledger(url, 2)))}
        try:
            install_peers()
            for module, prefix in PREFIXES.items():
                served = stack.enter_context(peer(database, module, history.MERCHANTS))
                peer_url = database.url(f"peer_{module}")
                found[module] = history.at_peer(served, peer_url, prefix)
                settle(peer_url)
        except (subprocess.SubprocessError, OSError, RuntimeError) as error:
            problems.append(f"a peer does not start: {error}")
        settle(url)
        yield found


def reads(database: Database, known: Known, who: str, which: Sequence[Route]) -> list[Measure]:
    """Each of these routes alone and at 64 connections."""
    return [
        Measure(names.read(who, route.name, connections), _round(database, known, route, connections))
        for route in which
        for connections in (1, CONNECTIONS)
    ]


def sender(known: Known, requests: Sequence[bytes], connections: int) -> Callable[[float], load.Result]:
    """Return what sends requests in turn."""
    make = load.in_turn(requests)
    return lambda seconds: load.run(known.served.port, make, connections=connections, seconds=seconds)


def _round(database: Database, known: Known, route: Route, connections: int) -> Callable[[float], Sample]:
    doing = answered(database, known.served, sender(known, routes.requests(route, known), connections))
    dice = random.Random()

    def run(seconds: float) -> Sample:
        sample = doing(seconds if connections > 1 else seconds / 2)
        try:
            routes.check_sample(route, known, dice)
        except AssertionError as wrong:
            raise Unexpected(f"{known.served.name}, {route.name}: {str(wrong)[:300]}") from wrong
        return sample

    return run
