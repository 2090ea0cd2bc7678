"""The benchmark's merchants."""

from __future__ import annotations

import json
import urllib.request

from benchmarks.locked import LOCKED
from benchmarks.machines import Served
from benchmarks.measuring import Tally
from benchmarks.requests import MERCHANTS, OPENING, name


def call(port: int, path: str, body: object, key: str) -> None:
    """POST and expect success."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), headers), timeout=30).close()


def register(served: Served, tally: Tally, database: str) -> None:
    """Make the benchmark's merchants, each of which has paid once: so all accounts exist."""
    names = [name(number) for number in range(MERCHANTS)]
    for merchant in (*names, *LOCKED):
        call(served.port, "/merchants", {"merchant_name": merchant, "currency": "USD", "initial_balance": OPENING}, f"m-{merchant}")
    for source, target in (*zip(names, names[1:] + names[:1], strict=True), *((merchant, names[0]) for merchant in LOCKED)):
        pair = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount": "1.00"}
        call(served.port, "/transfers", pair, f"first-{source}")
        tally.acknowledged[database] += 1
