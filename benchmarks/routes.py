"""What is read: each route's requests, the same for the service and its peers, and whether a sample of the answers is right."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from benchmarks import load
from benchmarks.history import MERCHANTS, TRANSFERS, Known, fee_minor, past
from benchmarks.requests import name

PAGE = 50
REQUESTS = 2_000
"""Different requests of each kind."""

_KEYS = 500
_SAMPLE = 3


@dataclass(frozen=True, slots=True)
class Route:
    """A read: its name, the request number so-and-so of it, and what raises ``AssertionError`` where its answer is not right."""

    name: str
    request: Callable[[Known, int], bytes]
    check: Callable[[Known, int], None]


def requests(route: Route, known: Known) -> list[bytes]:
    """All requests of a route, in an order that has nothing to do with history."""
    numbers = list(range(REQUESTS))
    random.Random(7).shuffle(numbers)
    return [route.request(known, number) for number in numbers]


def check_sample(route: Route, known: Known, dice: random.Random) -> None:
    """Compare some answers with what is known of history; raise ``AssertionError`` where one is wrong."""
    for _ in range(_SAMPLE):
        route.check(known, dice.randrange(REQUESTS))


def _minor(shown: Any) -> int:
    """Minor units of an amount in major ones."""
    return int(Decimal(str(shown)) * 100)


def _same(shown: object, expected: object) -> None:
    assert shown == expected, f"{shown!r} was answered, {expected!r} is right"


def _balance_of(answer: Any) -> int:
    """The service shows a list of balances, a peer one."""
    return _minor(answer["balances"][0]["balance"] if "balances" in answer else answer["balance"])


def _balance(_known: Known, number: int) -> bytes:
    return load.get(f"/merchants/{name(number % MERCHANTS)}/balance?currency=USD")


def _check_balance(known: Known, number: int) -> None:
    _same(_balance_of(known.ask(_balance(known, number))), past().balance_minor(number % MERCHANTS))


def _moment(known: Known, number: int) -> int:
    return sorted(known.moments)[number // MERCHANTS % len(known.moments)]


def _balance_at(known: Known, number: int) -> bytes:
    moment = quote(known.moments[_moment(known, number)])
    return load.get(f"/merchants/{name(number % MERCHANTS)}/balance?currency=USD&at={moment}")


def _check_balance_at(known: Known, number: int) -> None:
    expected = past().balance_minor(number % MERCHANTS, _moment(known, number))
    _same(_balance_of(known.ask(_balance_at(known, number))), expected)


def _statement(known: Known, number: int) -> bytes:
    return load.get(f"/accounts/{known.accounts[number % MERCHANTS]}/statement?limit={PAGE}")


def _check_statement(known: Known, number: int) -> None:
    items = known.ask(_statement(known, number))["items"]
    shown = [(item["transfer_id"], item["direction"], _minor(item["amount"]), _minor(item["balance_after"])) for item in items]
    newest = reversed(past().lines[number % MERCHANTS][-PAGE:])
    _same(shown, [(known.transfers[line.transfer], line.direction, line.amount_minor, line.balance_minor) for line in newest])
    parties = [past().transfers[line.transfer][:2] for line in reversed(past().lines[number % MERCHANTS][-PAGE:])]
    others = [payee if payer == number % MERCHANTS else payer for payer, payee in parties]
    for item, other in zip(items, others, strict=True):
        assert item["type"] == "fee" or item["counterparty"] == name(other), item


def _transfer(known: Known, number: int) -> bytes:
    return load.get(f"/transfers/{known.transfers[number * (TRANSFERS // REQUESTS)]}")


def _check_transfer(known: Known, number: int) -> None:
    answer, place = known.ask(_transfer(known, number)), number * (TRANSFERS // REQUESTS)
    payer, payee, amount_minor = past().transfers[place]
    shown = answer["id"], answer["from_merchant"], answer["to_merchant"], _minor(answer["amount"]), _minor(answer["fee"])
    _same(shown, (known.transfers[place], name(payer), name(payee), amount_minor, fee_minor(amount_minor)))
    amounts = sorted(_minor(entry["amount"]) for entry in answer["entries"])
    _same(amounts, sorted([amount_minor, fee_minor(amount_minor)] * 2))


def _listed(_known: Known, number: int) -> bytes:
    return load.get(f"/transfers?merchant={name(number % MERCHANTS)}&limit={PAGE}")


def _check_list(known: Known, number: int) -> None:
    places = [place for place, pair in enumerate(past().transfers) if number % MERCHANTS in pair[:2]]
    _same(
        [item["id"] for item in known.ask(_listed(known, number))["items"]], [known.transfers[place] for place in places[: -PAGE - 1 : -1]]
    )


def _replay(_known: Known, number: int) -> bytes:
    place = number % _KEYS
    body = b'{"from_merchant":"%s","to_merchant":"%s","currency":"USD","amount":"1.00"}'
    pair = name(place % MERCHANTS).encode(), name((place + 1) % MERCHANTS).encode()
    return load.post("/transfers", body % pair, f"replayed-{place}")


def _check_replay(known: Known, number: int) -> None:
    first, again = (known.bytes_of(_replay(known, number)) for _ in range(2))
    _same(first, again)
    _same(first, known.answers[number % _KEYS])


BALANCE = Route("balance", _balance, _check_balance)
BALANCE_AT = Route("balance at a moment", _balance_at, _check_balance_at)
STATEMENT = Route(f"statement, first page of {PAGE}", _statement, _check_statement)
TRANSFER = Route("transfer by id", _transfer, _check_transfer)
LIST = Route(f"list of {PAGE} transfers by merchant", _listed, _check_list)
READS = (BALANCE, BALANCE_AT, STATEMENT, TRANSFER, LIST)

REPLAY = Route("replay of a key", _replay, _check_replay)
"""Measured after the reads, since the transfers that it replays come after history."""


def post_replayed(known: Known) -> None:
    """Send each request that will be replayed once, and keep its answer."""
    known.answers = [known.bytes_of(_replay(known, place)) for place in range(_KEYS)]


MIX = {BALANCE: 50, STATEMENT: 10, TRANSFER: 10, LIST: 10}
"""Reads in a hundred requests; the others are transfers."""


def mixed_requests(known: Known) -> list[bytes]:
    """80% reads and 20% transfers in an order of chance."""
    dice = random.Random(5)
    kinds = [route for route, share in MIX.items() for _ in range(share * REQUESTS // 100)]
    found = [route.request(known, dice.randrange(REQUESTS)) for route in kinds]
    found += [_new_transfer(dice) for _ in range(REQUESTS - len(found))]
    dice.shuffle(found)
    return found


def _new_transfer(dice: random.Random) -> bytes:
    payer, payee = dice.sample(range(MERCHANTS), 2)
    body = b'{"from_merchant":"%s","to_merchant":"%s","currency":"USD","amount":"1.00"}'
    return load.post("/transfers", body % (name(payer).encode(), name(payee).encode()), load.NEW_KEY.decode())
