"""Many at once, against two real workers on a real database."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest

from ledger_project.database.readers import in_reader
from tests.support.factories import balance_minor, key, merchant, transfer, wallet
from tests.support.invariants import check_invariants
from tests.support.servers import Service


@pytest.fixture
async def http(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the two workers, with enough connections that requests really meet."""
    limits = httpx.Limits(max_connections=100)
    async with httpx.AsyncClient(base_url=service.base_url, limits=limits, timeout=30) as client:
        yield client


async def test_ten_transfers_of_20_from_100_give_five_successes(http: httpx.AsyncClient) -> None:
    source = await merchant(http, "100", "JPY")
    targets = [await merchant(http) for _ in range(10)]
    schedule_fee = 0  # 1% of 20 yen rounds to none
    answers = await asyncio.gather(*[transfer(http, source, target, 20, currency="JPY") for target in targets])
    assert Counter(a.status_code for a in answers) == {201: 5, 409: 5}
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"insufficient_funds"}
    assert await balance_minor(http, source, "JPY") == 100 - 5 * (20 + schedule_fee)


async def test_the_fee_counts_when_many_debit_one_account(http: httpx.AsyncClient) -> None:
    source, target = await merchant(http, "100"), await merchant(http)
    answers = await asyncio.gather(*[transfer(http, source, target, 2000) for _ in range(10)])
    posted = [a for a in answers if a.status_code == 201]
    assert len(posted) == 4
    assert await balance_minor(http, source) == 10_000 - 4 * 2020


async def test_fifty_duplicates_give_one_transfer_and_fifty_equal_bodies(http: httpx.AsyncClient) -> None:
    source, target, headers = await merchant(http, "100"), await merchant(http), key()
    answers = await asyncio.gather(*[transfer(http, source, target, 500, headers=headers) for _ in range(50)])
    assert {a.status_code for a in answers} == {201}
    assert len({a.content for a in answers}) == 1
    assert sum("Idempotent-Replayed" not in a.headers for a in answers) == 1
    assert await balance_minor(http, target) == 500


async def test_fifty_duplicates_of_a_refusal_are_equal_too(http: httpx.AsyncClient) -> None:
    source, target, headers = await merchant(http, "1"), await merchant(http), key()
    answers = await asyncio.gather(*[transfer(http, source, target, 500, headers=headers) for _ in range(50)])
    assert {a.status_code for a in answers} == {409}
    assert len({a.content for a in answers}) == 1


async def test_different_requests_under_one_key_never_both_succeed(http: httpx.AsyncClient) -> None:
    source, target, headers = await merchant(http, "100"), await merchant(http), key()
    answers = await asyncio.gather(*[transfer(http, source, target, 100 + i, headers=headers) for i in range(20)])
    assert Counter(a.status_code for a in answers) == {201: 1, 409: 19}
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"idempotency_key_reused"}


async def test_storms_in_both_directions_meet_no_deadlock(http: httpx.AsyncClient) -> None:
    ann, ben = await merchant(http, "1000"), await merchant(http, "1000")
    pairs = [(ann, ben) if i % 2 else (ben, ann) for i in range(300)]
    answers = await asyncio.gather(*[transfer(http, source, target, 100) for source, target in pairs])
    assert {a.status_code for a in answers} == {201}
    assert await balance_minor(http, ann) == 100_000 - 150
    assert await balance_minor(http, ben) == 100_000 - 150


async def test_a_ring_of_merchants_loses_nothing(http: httpx.AsyncClient) -> None:
    names = [await merchant(http, "50") for _ in range(6)]
    dice = random.Random(7)
    answers = await asyncio.gather(*[transfer(http, *dice.sample(names, 2), dice.randint(1, 3000)) for _ in range(400)])
    assert {a.status_code for a in answers} <= {201, 409}
    fees = sum(a.json()["fee_minor"] for a in answers if a.status_code == 201)
    assert sum([await balance_minor(http, name) for name in names]) == 6 * 5000 - fees
    await in_reader(check_invariants)


async def test_the_first_credits_of_a_new_merchant_may_come_at_once(http: httpx.AsyncClient) -> None:
    payers = [await merchant(http, "10") for _ in range(10)]
    newcomer = await merchant(http)
    answers = await asyncio.gather(*[transfer(http, payer, newcomer, 100) for payer in payers for _ in range(3)])
    assert {a.status_code for a in answers} == {201}
    assert await balance_minor(http, newcomer) == 3000


async def test_twenty_notices_of_one_payment_credit_once(http: httpx.AsyncClient) -> None:
    account, reference = await wallet(http, await merchant(http, "0")), secrets.token_hex(8)
    body = {"amount": "10", "external_reference": reference}
    answers = await asyncio.gather(*[http.post(f"/accounts/{account}/deposit", json=body, headers=key()) for _ in range(20)])
    assert Counter(a.status_code for a in answers) == {200: 1, 409: 19}
    (first,) = [a.json()["transfer"]["id"] for a in answers if a.status_code == 200]
    assert {(a.json()["code"], a.json()["transfer_id"]) for a in answers if a.status_code == 409} == {
        ("duplicate_external_reference", first)
    }


async def _hold(http: httpx.AsyncClient, amount: str = "10") -> tuple[str, str, str]:
    source, target = await merchant(http, "100"), await merchant(http)
    body = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount": amount}
    return source, target, (await http.post("/holds", json=body, headers=key())).json()["id"]


async def test_of_twenty_captures_and_voids_exactly_one_wins(http: httpx.AsyncClient) -> None:
    source, target, held = await _hold(http)
    calls = [f"/holds/{held}/{'capture' if i % 2 else 'void'}" for i in range(20)]
    answers = await asyncio.gather(*[http.post(call, json={}, headers=key()) for call in calls])
    winners = [a for a in answers if a.status_code < 300]
    assert len(winners) == 1
    assert {a.json()["code"] for a in answers if a.status_code >= 300} == {"hold_not_open"}
    captured = winners[0].status_code == 201
    assert await balance_minor(http, target) == (1000 if captured else 0)
    assert await balance_minor(http, source) == (10_000 - 1010 if captured else 10_000)
    assert await balance_minor(http, source, member="held_minor") == 0


async def test_twenty_reversals_give_back_the_original_once(http: httpx.AsyncClient) -> None:
    source, target = await merchant(http, "100"), await merchant(http, "100")
    made = (await transfer(http, source, target, 1000)).json()["id"]
    body = {"amount": "3.00", "refund_fee": True}
    answers = await asyncio.gather(*[http.post(f"/transfers/{made}/reverse", json=body, headers=key()) for _ in range(20)])
    assert Counter(a.status_code for a in answers) == {201: 3, 409: 17}
    rest = await asyncio.gather(*[http.post(f"/transfers/{made}/reverse", json={"refund_fee": True}, headers=key()) for _ in range(5)])
    assert Counter(a.status_code for a in rest) == {201: 1, 409: 4}
    assert await balance_minor(http, source) == 10_000
    assert await balance_minor(http, target) == 10_000


async def test_duplicates_wait_for_the_first_one_and_then_give_up(service: Service, http: httpx.AsyncClient) -> None:
    """The first request hangs on a lock that somebody else holds; its duplicates are told so after LEDGER_IDEMPOTENCY_WAIT."""
    source, target, headers = await merchant(http, "100"), await merchant(http), key()
    held = await in_reader(_hold_key, headers["Idempotency-Key"])
    try:
        answer = await transfer(http, source, target, 500, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_in_progress")
        assert int(answer.headers["Retry-After"]) >= 1
    finally:
        await in_reader(held.close)
    assert (await transfer(http, source, target, 500, headers=headers)).status_code == 201
    assert await balance_minor(http, target) == 500


def _hold_key(text: str) -> object:
    """Claim a key in a transaction that stays open, as a worker that hangs would."""
    import psycopg

    from tests.support.keys import claim_of
    from tests.support.servers import database_url

    raw = psycopg.connect(database_url())
    raw.execute(claim_of(text))
    return raw
