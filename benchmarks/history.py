"""A journal with history, the same for the service and its peers: reads are measured on it, and their answers are known.

The service gets it by its batch call, the peers by COPY into their tables.
"""

from __future__ import annotations

import json
import random
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import psycopg

from benchmarks import load
from benchmarks.machines import Served
from benchmarks.requests import name

MERCHANTS = 200
TRANSFERS = 20_000
OPENING_MINOR = 10**11
BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Line:
    """What a statement shows of one entry: the transfer by its place in history, what it moves, and the balance after it."""

    transfer: int
    direction: str
    amount_minor: int
    balance_minor: int


@dataclass(frozen=True, slots=True)
class Past:
    """Transfers (payer, payee, minor units) in their order, and the lines of each merchant's wallet, oldest first."""

    transfers: Sequence[tuple[int, int, int]]
    lines: Sequence[Sequence[Line]]
    fees_minor: Sequence[int]

    def balance_minor(self, merchant: int, transfers: int | None = None) -> int:
        """The balance of a wallet after so many transfers, or after all."""
        known = (line.balance_minor for line in reversed(self.lines[merchant]) if transfers is None or line.transfer < transfers)
        return next(known, OPENING_MINOR)


def fee_minor(amount_minor: int) -> int:
    """One per cent, half to even."""
    return round(Decimal(amount_minor) / 100)


@cache
def past() -> Past:
    """The history that every service has."""
    dice = random.Random(13)
    transfers, balances = [], [OPENING_MINOR] * MERCHANTS
    lines: list[list[Line]] = [[] for _ in range(MERCHANTS)]
    fees = [0] * MERCHANTS

    def move(place: int, merchant: int, direction: str, amount_minor: int) -> None:
        balances[merchant] += amount_minor if direction == "CREDIT" else -amount_minor
        lines[merchant].append(Line(place, direction, amount_minor, balances[merchant]))

    for place in range(TRANSFERS):
        payer, payee = dice.sample(range(MERCHANTS), 2)
        amount_minor = dice.randint(100, 100_000)
        transfers.append((payer, payee, amount_minor))
        move(place, payer, "DEBIT", amount_minor)
        move(place, payee, "CREDIT", amount_minor)
        move(place, payer, "DEBIT", fee_minor(amount_minor))
        fees[payer] += fee_minor(amount_minor)
    return Past(transfers, lines, fees)


@dataclass(slots=True)
class Known:
    """A service with this history: the ids that it gave, and moments of which the balances are known."""

    served: Served
    accounts: list[str] = field(default_factory=list)
    transfers: list[str] = field(default_factory=list)
    moments: dict[int, str] = field(default_factory=dict)
    """For the number of the oldest transfers, the newest time of one of them."""
    answers: list[bytes] = field(default_factory=list)
    """What the requests that are replayed were answered first."""

    def ask(self, raw: bytes) -> Any:
        """Send one request and return its answer as JSON, with decimals as they are written."""
        return json.loads(self.bytes_of(raw), parse_float=Decimal)

    def bytes_of(self, raw: bytes) -> bytes:
        """Send one request and return the body of its answer."""
        head, _, body = raw.partition(b"\r\n\r\n")
        first, *others = head.decode().split("\r\n")
        method, path, _ = first.split(" ")
        headers = dict(line.split(": ", 1) for line in others if not line.startswith(("Host", "Content-Length")))
        request = urllib.request.Request(f"http://127.0.0.1:{self.served.port}{path}", body or None, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read())


def at_ledger(served: Served) -> Known:
    """Give the service this history by its own calls."""
    known = Known(served)
    for number in range(MERCHANTS):
        body = {"merchant_name": name(number), "currency": "USD", "initial_balance": f"{OPENING_MINOR // 100}.00"}
        made = known.ask(load.post("/merchants", json.dumps(body).encode(), load.new_key()))
        known.accounts.append(made["balances"][0]["account_id"])
    for start in range(0, TRANSFERS, BATCH):
        items = [
            {
                "idempotency_key": load.new_key(),
                "from_merchant": name(payer),
                "to_merchant": name(payee),
                "currency": "USD",
                "amount_minor": amount_minor,
            }
            for payer, payee, amount_minor in past().transfers[start : start + BATCH]
        ]
        results = known.ask(load.post("/transfers/batch", json.dumps({"transfers": items}).encode(), load.new_key()))["results"]
        known.transfers += [result["transfer"]["id"] for result in results]
        known.moments[len(known.transfers)] = max(result["transfer"]["created_at"] for result in results)
    return known


def at_peer(served: Served, url: str, prefix: str) -> Known:
    """Give a peer this history, in its tables ``{prefix}account``, ``{prefix}transfer``, ``{prefix}entry``; its merchants are there."""
    known = Known(served)
    began = datetime.now(UTC) - timedelta(seconds=TRANSFERS + 60)
    moments = [began + timedelta(seconds=place) for place in range(TRANSFERS)]
    known.transfers = [str(uuid.uuid4()) for _ in range(TRANSFERS)]
    with psycopg.connect(url) as raw:
        ids = {
            (merchant, kind): number
            for merchant, kind, number in raw.execute(f"SELECT merchant, kind, id FROM {prefix}account WHERE currency = 'USD'").fetchall()
        }
        known.accounts = [str(ids[name(number), "wallet"]) for number in range(MERCHANTS)]
        _copy(raw, f"{prefix}transfer (id, source_id, target_id, currency, amount, fee, created_at)", _transfer_rows(known, moments))
        fees = [ids[name(number), "fees"] for number in range(MERCHANTS)]
        columns = "transfer_id, account_id, direction, type, amount, balance_after, created_at"
        _copy(raw, f"{prefix}entry ({columns})", _entry_rows(known, moments, fees))
        for number in range(MERCHANTS):
            update = f"UPDATE {prefix}account SET balance = %s WHERE id = %s"
            raw.execute(update, [past().balance_minor(number), int(known.accounts[number])])
            raw.execute(update, [past().fees_minor[number], fees[number]])
    known.moments = {place: moments[place - 1].isoformat().replace("+00:00", "Z") for place in range(BATCH, TRANSFERS + 1, BATCH)}
    return known


def _transfer_rows(known: Known, moments: Sequence[datetime]) -> Iterator[tuple[object, ...]]:
    for place, (payer, payee, amount_minor) in enumerate(past().transfers):
        fee = fee_minor(amount_minor)
        yield known.transfers[place], known.accounts[payer], known.accounts[payee], "USD", amount_minor, fee, moments[place]


def _entry_rows(known: Known, moments: Sequence[datetime], fees: Sequence[int]) -> Iterator[tuple[object, ...]]:
    upcoming = [iter(lines) for lines in past().lines]
    collected = [0] * MERCHANTS
    for place, (payer, payee, amount_minor) in enumerate(past().transfers):
        for merchant, kind in ((payer, "transfer"), (payee, "transfer"), (payer, "fee")):
            line = next(upcoming[merchant])
            transfer, account = known.transfers[place], known.accounts[merchant]
            yield transfer, account, line.direction, kind, line.amount_minor, line.balance_minor, moments[place]
        collected[payer] += fee_minor(amount_minor)
        yield known.transfers[place], fees[payer], "CREDIT", "fee", fee_minor(amount_minor), collected[payer], moments[place]


def _copy(raw: psycopg.Connection[Any], target: str, rows: Iterator[tuple[object, ...]]) -> None:
    with raw.cursor() as cursor, cursor.copy(f"COPY {target} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
