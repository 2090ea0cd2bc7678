"""Money that many want at once, against two real workers: exactly one gets it, and every statement adds up meanwhile."""

from __future__ import annotations

import asyncio
import csv
import io
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest

from ledger_project.database.readers import in_reader
from tests.support.factories import balance_minor, key, merchant, transfer, wallet
from tests.support.invariants import check_invariants
from tests.support.servers import Service
from transfers.models import Transfer
from transfers.services.hold_expiry import sweep_due_holds

NS = {"c": "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"}


@pytest.fixture
async def http(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the two workers, with enough connections that requests really meet."""
    async with httpx.AsyncClient(base_url=service.base_url, limits=httpx.Limits(max_connections=100), timeout=30) as client:
        yield client


def code(response: httpx.Response) -> str:
    found: str = response.json()["code"]
    return found


# --- external references ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["deposit", "withdraw"])
async def test_of_twenty_notices_of_one_payment_one_counts_and_the_others_name_it(http: httpx.AsyncClient, call: str) -> None:
    name = await merchant(http, "1000")
    account = await wallet(http, name)
    body = {"amount": "10", "external_reference": secrets.token_hex(8)}
    answers = await asyncio.gather(*[http.post(f"/accounts/{account}/{call}", json=body, headers=key()) for _ in range(20)])
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 19}
    (first,) = [answer.json()["transfer"]["id"] for answer in answers if answer.status_code == 200]
    refused = [answer.json() for answer in answers if answer.status_code == 409]
    assert {(one["code"], one["transfer_id"]) for one in refused} == {("duplicate_external_reference", first)}
    assert await balance_minor(http, name) == 100_000 + (1000 if call == "deposit" else -1000)


async def test_of_twenty_transfers_with_one_reference_one_counts(http: httpx.AsyncClient) -> None:
    source, targets, reference = await merchant(http, "100"), [await merchant(http) for _ in range(20)], secrets.token_hex(8)
    answers = await asyncio.gather(*[transfer(http, source, target, 100, external_reference=reference) for target in targets])
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 19}
    assert await balance_minor(http, source) == 10_000 - 101


# --- holds ------------------------------------------------------------------------------------------------------------------


async def _held(http: httpx.AsyncClient, **extra: Any) -> tuple[str, str, dict[str, Any]]:
    source, target = await merchant(http, "100"), await merchant(http)
    body = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount": "10"} | extra
    response = await http.post("/holds", json=body, headers=key())
    assert response.status_code == 201
    return source, target, response.json()


async def _settled(http: httpx.AsyncClient, source: str, target: str, hold_id: str) -> str:
    """Assert that the money is where the hold's end says, once, and return that end."""
    hold = (await http.get(f"/holds/{hold_id}")).json()
    moved = int(hold["captured_minor"])
    fee = moved // 100
    assert await balance_minor(http, target) == moved
    assert await balance_minor(http, source) == 10_000 - moved - fee
    assert await balance_minor(http, source, member="held_minor") == 0
    kinds = await in_reader(list, Transfer.objects.filter(hold_id=hold_id).values_list("kind", flat=True))
    assert sorted(kinds) == sorted(["hold", "capture" if hold["status"] == "captured" else "hold_release"])
    status: str = hold["status"]
    return status


async def test_of_twenty_partial_captures_exactly_one_wins(http: httpx.AsyncClient) -> None:
    source, target, hold = await _held(http)
    calls = [http.post(f"/holds/{hold['id']}/capture", json={"amount": f"{1 + n % 9}.00"}, headers=key()) for n in range(20)]
    answers = await asyncio.gather(*calls)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 19}
    assert {code(answer) for answer in answers if answer.status_code == 409} == {"hold_not_open"}
    assert await _settled(http, source, target, hold["id"]) == "captured"


async def _race_with_expiry(http: httpx.AsyncClient, lead_s: float, expires_in: int) -> tuple[str, set[str]]:
    """Send captures and voids around the moment of expiry, with sweeps of our own beside those of the workers."""
    source, target, hold = await _held(http, expires_in=expires_in)
    expires = datetime.fromisoformat(hold["expires_at"])
    await asyncio.sleep(max(0.0, (expires - datetime.now(UTC)).total_seconds() - lead_s))

    async def call(n: int) -> httpx.Response:
        await asyncio.sleep(n * 0.005)
        return await http.post(f"/holds/{hold['id']}/{'void' if n % 2 else 'capture'}", headers=key())

    async def sweep(n: int) -> None:
        await asyncio.sleep(n * 0.02)
        await in_reader(lambda: list(sweep_due_holds()))

    answers, _ = await asyncio.gather(asyncio.gather(*[call(n) for n in range(20)]), asyncio.gather(*[sweep(n) for n in range(5)]))
    winners = [answer for answer in answers if answer.status_code < 300]
    assert len(winners) <= 1
    async with asyncio.timeout(60):
        while await balance_minor(http, source, member="held_minor"):
            await asyncio.sleep(0.1)
    status = await _settled(http, source, target, hold["id"])
    expected = {201: "captured", 200: "voided"}[winners[0].status_code] if winners else "expired"
    assert status == expected
    return status, {code(answer) for answer in answers if answer.status_code >= 300}


async def test_captures_voids_and_expiry_race_and_exactly_one_wins(http: httpx.AsyncClient) -> None:
    statuses: set[str] = set()
    for expires_in in (1, 2, 4, 8):  # a busy machine needs a longer lead for some to come in time
        leads = [expires_in - 0.3, 0.3, 0.05, 0.03, 0.02, 0.01, 0.0, -0.05]
        ends = await asyncio.gather(*[_race_with_expiry(http, lead, expires_in) for lead in leads])
        assert all(codes <= {"hold_not_open", "hold_expired"} for _, codes in ends)
        statuses |= {status for status, _ in ends}
        if {"expired"} < statuses:
            break
    assert {"expired"} < statuses, "some calls came in time, and some holds ran out"


async def test_many_holds_at_once_reserve_no_more_than_there_is(http: httpx.AsyncClient) -> None:
    source, target = await merchant(http, "100"), await merchant(http)
    body = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount": "10"}
    answers = await asyncio.gather(*[http.post("/holds", json=body, headers=key()) for _ in range(20)])
    assert Counter(answer.status_code for answer in answers) == {201: 9, 409: 11}
    assert {code(answer) for answer in answers if answer.status_code == 409} == {"insufficient_funds"}
    assert await balance_minor(http, source, member="held_minor") == 9 * 1010


# --- reversals --------------------------------------------------------------------------------------------------------------


async def test_racing_reversals_never_bring_back_more_than_the_original(http: httpx.AsyncClient) -> None:
    source, target = await merchant(http, "100"), await merchant(http, "100")
    made = (await transfer(http, source, target, 1000)).json()["id"]
    parts = [137, 251, 89, 400, 999, 1, 333, 512, 75, 620] * 2
    calls = [http.post(f"/transfers/{made}/reverse", json={"amount_minor": part, "refund_fee": True}, headers=key()) for part in parts]
    answers = await asyncio.gather(*calls)
    reversed_minor = sum(answer.json()["amount_minor"] for answer in answers if answer.status_code == 201)
    assert 0 < reversed_minor <= 1000
    assert {code(answer) for answer in answers if answer.status_code != 201} <= {"reversal_exceeds_original", "already_reversed"}
    assert await balance_minor(http, target) == 11_000 - reversed_minor
    rest = await asyncio.gather(*[http.post(f"/transfers/{made}/reverse", json={"refund_fee": True}, headers=key()) for _ in range(5)])
    assert sum(answer.status_code == 201 for answer in rest) == (reversed_minor < 1000)
    assert (await balance_minor(http, source), await balance_minor(http, target)) == (10_000, 10_000)


async def test_a_receiver_who_spends_while_it_is_reversed_never_goes_below_zero(http: httpx.AsyncClient) -> None:
    source, target, other = await merchant(http, "1000"), await merchant(http), await merchant(http)
    made = [(await transfer(http, source, target, 1000)).json()["id"] for _ in range(10)]
    back = [http.post(f"/transfers/{one}/reverse", headers=key()) for one in made]
    away = [transfer(http, target, other, 990) for _ in range(10)]
    answers = await asyncio.gather(*[call for pair in zip(back, away, strict=True) for call in pair])
    assert {code(answer) for answer in answers if answer.status_code != 201} <= {"insufficient_funds"}
    assert sum(answer.status_code == 201 for answer in answers) == 10
    assert 0 <= await balance_minor(http, target) <= 10


# --- batches ----------------------------------------------------------------------------------------------------------------


async def test_batches_over_the_same_merchants_in_any_order_meet_no_deadlock(http: httpx.AsyncClient) -> None:
    names = [await merchant(http, "1000", "JPY") for _ in range(6)]

    def batch(n: int) -> dict[str, Any]:
        pairs = [(names[(n + i) % 6], names[(n + i * 5 + 1) % 6]) for i in range(12)]
        items = [
            {"idempotency_key": secrets.token_hex(12), "from_merchant": a, "to_merchant": b, "currency": "JPY", "amount_minor": 1}
            for a, b in pairs
            if a != b
        ]
        return {"transfers": items, "atomic": bool(n % 2)}

    answers = await asyncio.gather(*[http.post("/transfers/batch", json=batch(n), headers=key()) for n in range(30)])
    assert {answer.status_code for answer in answers} == {200}
    assert sum([await balance_minor(http, name, "JPY") for name in names]) == 6000


async def test_atomic_batches_that_race_for_the_same_money_post_whole_or_not_at_all(http: httpx.AsyncClient) -> None:
    source, target = await merchant(http, "100"), await merchant(http)

    def batch() -> dict[str, Any]:
        body = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount": "10"}
        return {"transfers": [body | {"idempotency_key": secrets.token_hex(12)} for _ in range(3)], "atomic": True}

    answers = await asyncio.gather(*[http.post("/transfers/batch", json=batch(), headers=key()) for _ in range(10)])
    assert Counter(answer.status_code for answer in answers) == {200: 3, 409: 7}
    assert {(code(answer), answer.json()["index"]) for answer in answers if answer.status_code == 409} == {("insufficient_funds", 0)}
    assert await balance_minor(http, target) == 9000


# --- statements while money moves -------------------------------------------------------------------------------------------


def signed(line: dict[str, Any]) -> int:
    amount = int(line["amount_minor"])
    return amount if line["direction"] == "CREDIT" else -amount


async def _json_adds_up(http: httpx.AsyncClient, account: str, start: str) -> None:
    page = (await http.get(f"/accounts/{account}/statement", params={"from": start, "limit": 7})).json()
    opening, closing, total = page["opening_balance_minor"], page["closing_balance_minor"], 0
    sequences: list[int] = []
    while True:
        assert (page["opening_balance_minor"], page["closing_balance_minor"]) == (opening, closing)
        total += sum(map(signed, page["items"]))
        sequences += [line["sequence"] for line in page["items"]]
        if page["next_cursor"] is None:
            break
        page = (await http.get(f"/accounts/{account}/statement", params={"cursor": page["next_cursor"], "limit": 7})).json()
    assert opening + total == closing
    assert sequences == list(range(max(sequences, default=0), min(sequences, default=1) - 1, -1))


async def _csv_adds_up(http: httpx.AsyncClient, account: str, start: str) -> None:
    response = await http.get(f"/accounts/{account}/statement", params={"from": start}, headers={"Accept": "text/csv"})
    lines = list(csv.DictReader(io.StringIO(response.text, newline="")))
    for newer, older in pairwise(lines):
        assert int(newer["sequence"]) == int(older["sequence"]) + 1
        assert int(older["balance_after_minor"]) + signed(newer) == int(newer["balance_after_minor"])
        assert older["created_at"] <= newer["created_at"]


async def _camt_adds_up(http: httpx.AsyncClient, account: str, start: str) -> None:
    response = await http.get(f"/accounts/{account}/statement", params={"from": start}, headers={"Accept": "application/xml"})

    def amount(element: ET.Element) -> int:
        minor = int((element.findtext("c:Amt", namespaces=NS) or "").replace(".", ""))
        return minor if element.findtext("c:CdtDbtInd", namespaces=NS) == "CRDT" else -minor

    document = ET.fromstring(response.content)  # noqa: S314 - our own document
    opening, closing = [amount(balance) for balance in document.iterfind(".//c:Bal", NS)]
    assert opening + sum(amount(entry) for entry in document.iterfind(".//c:Ntry", NS)) == closing


async def _balance_adds_up(http: httpx.AsyncClient, name: str) -> None:
    """Wallet and held account are read at one moment: a hold moves money between them and never shows half."""
    (row,) = (await http.get(f"/merchants/{name}/balance", params={"currency": "USD"})).json()["balances"]
    assert row["balance_minor"] == row["available_minor"] + row["held_minor"]


async def test_opening_and_lines_are_closing_while_money_moves(http: httpx.AsyncClient) -> None:
    ann, ben = await merchant(http, "1000"), await merchant(http, "1000")
    account = await wallet(http, ann)
    for _ in range(10):
        await transfer(http, ann, ben, 7)
    start = (await http.get(f"/accounts/{account}/statement", params={"limit": 1})).json()["items"][0]["created_at"]
    reading = True

    async def move(n: int) -> None:
        while reading:
            source, target = (ann, ben) if n % 2 else (ben, ann)
            assert (await transfer(http, source, target, 1 + n)).status_code == 201
            hold = {"from_merchant": ann, "to_merchant": ben, "currency": "USD", "amount": "1"}
            held = (await http.post("/holds", json=hold, headers=key())).json()["id"]
            await http.post(f"/holds/{held}/{'capture' if n % 2 else 'void'}", headers=key())

    movers = [asyncio.create_task(move(n)) for n in range(6)]
    for _ in range(6):
        await asyncio.gather(
            _json_adds_up(http, account, start),
            _csv_adds_up(http, account, start),
            _camt_adds_up(http, account, start),
            _balance_adds_up(http, ann),
        )
    reading = False
    await asyncio.gather(*movers)
    await in_reader(check_invariants)


async def test_a_hold_and_its_void_leave_the_balance_as_it_was_at_every_moment(http: httpx.AsyncClient) -> None:
    name, other = await merchant(http, "100"), await merchant(http)
    hold = {"from_merchant": name, "to_merchant": other, "currency": "USD", "amount": "10"}
    reading = True

    async def hold_and_void() -> None:
        while reading:
            held = (await http.post("/holds", json=hold, headers=key())).json()["id"]
            await http.post(f"/holds/{held}/void", headers=key())

    movers = [asyncio.create_task(hold_and_void()) for _ in range(4)]
    seen = {await balance_minor(http, name, member="balance_minor") for _ in range(60)}
    reading = False
    await asyncio.gather(*movers)
    assert seen == {10_000}
