"""What others are served while somebody holds the locks of accounts, and clients keep asking for those."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Iterator

import psycopg

from benchmarks import load
from benchmarks.measuring import Sample, Tally
from benchmarks.requests import MERCHANTS, name

CLIENTS = 20
"""Clients that ask for locked accounts, each for one of its own."""

LOCKED = [name(MERCHANTS + number) for number in range(CLIENTS)]
"""Merchants whose wallets are locked; nobody else pays them."""

LEAST_S = 5.0
"""Seconds of a round at least: so long a caller waits for a taken lock. A shorter round would be of the first waits alone."""

_LOCK = """
SELECT a.id FROM merchants_account a WHERE a.kind = 'wallet' AND a.merchant_id IN (SELECT id FROM merchants_merchant WHERE name = ANY(%s))
ORDER BY a.id FOR UPDATE
"""


def _ask(dice: random.Random) -> bytes:
    body = b'{"from_merchant":"%s","to_merchant":"%s","currency":"USD","amount":"1.00"}'
    return load.post("/transfers", body % (dice.choice(LOCKED).encode(), name(0).encode()), load.new_key())


@contextlib.contextmanager
def _insisting(url: str, port: int, seconds: float, tally: Tally, tallied_as: str) -> Iterator[None]:
    """Hold the locks, and have the clients ask for them, until the block ends; those who wait then are posted and counted."""
    results: list[load.Result] = []
    asking = threading.Thread(target=lambda: results.append(load.run(port, _ask, connections=CLIENTS, seconds=seconds)))
    with psycopg.connect(url) as raw:
        raw.execute(_LOCK, [LOCKED])
        asking.start()
        yield
    asking.join()
    tally.acknowledged[tallied_as] += sum(count for result in results for status, count in result.statuses.items() if status == 201)


def beside_locked(doing: Callable[[float], Sample], *, url: str, port: int, tally: Tally, tallied_as: str) -> Callable[[float], Sample]:
    """Return what runs a round while accounts are locked."""

    def run(seconds: float) -> Sample:
        whole = max(seconds, LEAST_S)
        with _insisting(url, port, whole, tally, tallied_as):
            return doing(whole)

    return run
