"""The requests that are sent: single transfers and batches, over many accounts, all to one receiver, all from one sender."""

from __future__ import annotations

import random
from collections.abc import Callable

from benchmarks import load

MERCHANTS = 100
OPENING = "100000000000.00"

Pair = Callable[[random.Random], tuple[int, int]]


def name(number: int) -> str:
    """The name of a benchmark merchant."""
    return f"bench{number:04}"


def many(dice: random.Random) -> tuple[int, int]:
    """Two different merchants, each as likely as any other."""
    source = int(dice.random() * MERCHANTS)
    target = int(dice.random() * (MERCHANTS - 1))
    return source, target + (target >= source)


def to_one(dice: random.Random) -> tuple[int, int]:
    """Everybody pays the first merchant."""
    return 1 + int(dice.random() * (MERCHANTS - 1)), 0


def from_one(dice: random.Random) -> tuple[int, int]:
    """The first merchant pays everybody."""
    return 0, 1 + int(dice.random() * (MERCHANTS - 1))


PATTERNS: dict[str, Pair] = {"many accounts": many, "one receiver": to_one, "one sender": from_one}


def single(pair: Pair, *, credential: str = "") -> load.Next:
    """Single transfers between such merchants."""

    def make(dice: random.Random) -> bytes:
        source, target = pair(dice)
        body = b'{"from_merchant":"bench%04d","to_merchant":"bench%04d","currency":"USD","amount":"1.00"}' % (source, target)
        return load.post("/transfers", body, load.new_key(), credential=credential)

    return make


def batch(pair: Pair, size: int) -> load.Next:
    """Batches of transfers between such merchants."""

    def make(dice: random.Random) -> bytes:
        items = []
        for _ in range(size):
            source, target = pair(dice)
            items.append(
                b'{"idempotency_key":"%s","from_merchant":"bench%04d","to_merchant":"bench%04d","currency":"USD","amount":"1.00"}'
                % (load.new_key().encode(), source, target)
            )
        return load.post("/transfers/batch", b'{"transfers":[' + b",".join(items) + b"]}", load.new_key())

    return make


def constant(_dice: random.Random) -> bytes:
    """An adrf view that returns a constant through the same stack."""
    return load.get("/healthz")
