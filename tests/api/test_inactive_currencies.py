"""A currency that operators switch off: what began goes on and is read, nothing new begins, and what was answered stays answered."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.management import call_command

from fees.models import FeeSchedule
from fees.services import append_schedule
from ledger_project.database.clock import database_now
from ledger_project.database.readers import in_reader
from merchants.domain import Status
from merchants.models import Currency, Merchant
from merchants.services import set_merchant_status
from tests.services.test_import import run, write
from tests.support.factories import balance_minor, key, merchant, unique, wallet

_codes = (f"OFF{number}" for number in itertools.count(1))


async def switch(code: str, *, on: bool) -> None:
    await in_reader(Currency.objects.filter(code=code).update, is_active=on)


@dataclass
class World:
    """Two merchants with 100.00 in a currency of the test's own."""

    api: httpx.AsyncClient
    code: str
    payer: str
    payee: str
    wallets: tuple[str, str]

    def says(self, amount_minor: int = 100) -> dict[str, Any]:
        return {"from_merchant": self.payer, "to_merchant": self.payee, "currency": self.code, "amount_minor": amount_minor}

    async def made(self, path: str) -> str:
        """Make a transfer or a hold and return its id."""
        response = await self.api.post(path, json=self.says(), headers=key())
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    async def balances(self) -> list[int]:
        return [await balance_minor(self.api, name, self.code, "balance_minor") for name in (self.payer, self.payee)]


@pytest.fixture
async def world(api: httpx.AsyncClient) -> World:
    code = next(_codes)
    await in_reader(Currency.objects.create, code=code, exponent=2, name="Of a test")
    payer, payee = await merchant(api, "100.00", code), await merchant(api, "100.00", code)
    return World(api, code, payer, payee, (await wallet(api, payer, code), await wallet(api, payee, code)))


Call = tuple[str, dict[str, Any]]
Door = Callable[[World], Awaitable[Call]]


async def _deposit(world: World) -> Call:
    return f"/accounts/{world.wallets[0]}/deposit", {"amount_minor": 100}


async def _by_names(world: World) -> Call:
    return "/transfers", world.says()


async def _by_ids(world: World) -> Call:
    return "/transfers", {"source_account_id": world.wallets[0], "dest_account_id": world.wallets[1], "amount_minor": 100}


async def _hold(world: World) -> Call:
    return "/holds", world.says()


async def _batch_item(world: World) -> Call:
    return "/transfers/batch", {"transfers": [{**world.says(), "idempotency_key": unique("item")}]}


async def _atomic_batch(world: World) -> Call:
    return "/transfers/batch", {"transfers": [{**world.says(), "idempotency_key": unique("item")}], "atomic": True}


async def _registration(world: World) -> Call:
    return "/merchants", {"merchant_name": unique(), "currency": world.code, "initial_balance": "1.00"}


async def _registration_of_an_empty_account(world: World) -> Call:
    return "/merchants", {"merchant_name": unique(), "currency": world.code}


async def _account(world: World) -> Call:
    return f"/merchants/{await merchant(world.api)}/accounts", {"currency": world.code}


async def _withdraw(world: World) -> Call:
    return f"/accounts/{world.wallets[0]}/withdraw", {"amount_minor": 100}


async def _reverse(world: World) -> Call:
    return f"/transfers/{await world.made('/transfers')}/reverse", {"amount_minor": 50}


async def _capture(world: World) -> Call:
    return f"/holds/{await world.made('/holds')}/capture", {}


async def _void(world: World) -> Call:
    return f"/holds/{await world.made('/holds')}/void", {}


CLOSED = [
    _deposit, _by_names, _by_ids, _hold, _batch_item, _atomic_batch, _registration, _registration_of_an_empty_account, _account,
]  # fmt: skip
OPEN = [_withdraw, _reverse, _capture, _void]


def name_of(door: Door) -> str:
    return door.__name__.strip("_")


def verdict(response: httpx.Response) -> tuple[int, str | None]:
    """Return the status and code of an answer, of its first item where it is a batch's."""
    body = response.json()
    if "results" in body:
        (item,) = body["results"]
        return item["status"], item.get("error", {}).get("code")
    return response.status_code, body.get("code")


@pytest.mark.parametrize("door", CLOSED, ids=name_of)
async def test_nothing_new_begins_in_a_currency_that_is_off_and_the_key_keeps_that(world: World, door: Door) -> None:
    path, body = await door(world)
    headers, before = key(), await world.balances()
    await switch(world.code, on=False)
    refused = await world.api.post(path, json=body, headers=headers)
    assert verdict(refused) == (409, "currency_inactive")
    assert world.code in refused.text
    assert await world.balances() == before

    await switch(world.code, on=True)
    again = await world.api.post(path, json=body, headers=headers)
    assert (again.status_code, again.content, again.headers.get("Idempotent-Replayed")) == (refused.status_code, refused.content, "true")
    path, body = (path, body) if door not in {_batch_item, _atomic_batch} else await door(world)
    assert verdict(await world.api.post(path, json=body, headers=key()))[0] in {200, 201}


@pytest.mark.parametrize("door", [*CLOSED, *OPEN], ids=name_of)
async def test_what_was_answered_before_a_currency_went_off_is_answered_so_again(world: World, door: Door) -> None:
    path, body = await door(world)
    headers = key()
    first = await world.api.post(path, json=body, headers=headers)
    assert verdict(first)[0] in {200, 201}, first.text
    after = await world.balances()

    await switch(world.code, on=False)
    again = await world.api.post(path, json=body, headers=headers)
    assert (again.status_code, again.content, again.headers.get("Idempotent-Replayed")) == (first.status_code, first.content, "true")
    if path == "/transfers/batch":
        envelope = await world.api.post(path, json=body, headers=key())
        assert envelope.json()["results"] == first.json()["results"]
    assert await world.balances() == after


@pytest.mark.parametrize("door", OPEN, ids=name_of)
async def test_what_is_there_can_leave_a_currency_that_is_off(world: World, door: Door) -> None:
    path, body = await door(world)
    await switch(world.code, on=False)
    assert verdict(await world.api.post(path, json=body, headers=key()))[0] in {200, 201}


async def test_a_refusal_for_funds_stays_that_and_does_not_become_another(world: World) -> None:
    headers = key()
    first = await world.api.post("/transfers", json=world.says(10**9), headers=headers)
    assert verdict(first) == (409, "insufficient_funds")
    await switch(world.code, on=False)
    assert (await world.api.post("/transfers", json=world.says(10**9), headers=headers)).content == first.content


async def test_a_quote_says_what_the_transfer_would(world: World) -> None:
    for path, body in (await _by_names(world), await _by_ids(world)):
        assert (await world.api.post(f"{path}/quote", json=body)).status_code == 200
        await switch(world.code, on=False)
        assert verdict(await world.api.post(f"{path}/quote", json=body)) == (409, "currency_inactive")
        await switch(world.code, on=True)


async def test_a_name_that_is_refused_for_its_currency_stays_free_and_a_taken_one_is_taken(world: World) -> None:
    await switch(world.code, on=False)
    body = {"merchant_name": unique(), "currency": world.code, "initial_balance": "1.00"}
    assert verdict(await world.api.post("/merchants", json=body)) == (409, "currency_inactive")
    assert (await world.api.get(f"/merchants/{body['merchant_name']}")).status_code == 404
    assert verdict(await world.api.post("/merchants", json=body | {"merchant_name": world.payer.upper()})) == (409, "merchant_exists")
    assert (await world.api.post("/merchants", json={"merchant_name": body["merchant_name"]})).status_code == 201


async def test_in_one_batch_the_currencies_that_are_on_go_on(world: World) -> None:
    other = await merchant(world.api, "10.00")
    await switch(world.code, on=False)
    usd = {"from_merchant": other, "to_merchant": world.payee, "currency": "USD", "amount_minor": 100}
    items = [{**says, "idempotency_key": unique("item")} for says in (usd, world.says(), usd)]
    answer = await world.api.post("/transfers/batch", json={"transfers": items}, headers=key())
    assert [result["status"] for result in answer.json()["results"]] == [201, 409, 201]


async def test_a_currency_that_is_off_is_read(world: World) -> None:
    made = await world.made("/transfers")
    moment = (await world.api.get(f"/transfers/{made}")).json()["created_at"]
    await switch(world.code, on=False)
    assert await balance_minor(world.api, world.payee, world.code) == 101_00
    path = f"/merchants/{world.payee}/balance"
    at = (await world.api.get(path, params={"currency": world.code, "at": moment})).json()
    assert [row["available_minor"] for row in at["balances"]] == [101_00]
    none = (await world.api.get(f"/merchants/{await merchant(world.api)}/balance", params={"currency": world.code, "at": moment})).json()
    assert [(row["account_id"], row["available_minor"]) for row in none["balances"]] == [(None, 0)]
    for path in (f"/accounts/{world.wallets[0]}", f"/accounts/{world.wallets[0]}/statement", f"/transfers/{made}", "/transfers", "/holds"):
        assert (await world.api.get(path, params={"currency": world.code} if path == "/transfers" else None)).status_code == 200


async def test_fees_are_swept_out_of_a_currency_that_is_off(world: World) -> None:
    await world.api.post("/merchants", json={"merchant_name": "treasury"})
    await world.made("/transfers")
    await switch(world.code, on=False)
    out = StringIO()
    await in_reader(call_command, "settle_fees", currency=world.code, stdout=out)
    assert "1 accounts settled, 0 refused" in out.getvalue()


async def test_an_import_is_refused_and_replayed_like_requests(world: World, tmp_path: Path) -> None:
    lines = [f"{unique('line')},{world.payer},{world.payee},{world.code},1.00,," for _ in range(2)]
    first = write(tmp_path, lines[0])
    assert (await in_reader(run, first))[0]["posted"] == 1
    both = write(tmp_path, *lines)
    await switch(world.code, on=False)
    _, rows, _ = await in_reader(run, both)
    assert [(row["status"], row["code"]) for row in rows] == [("replayed", ""), ("failed", "currency_inactive")]
    await switch(world.code, on=True)
    _, rows, _ = await in_reader(run, both)
    assert [(row["status"], row["code"]) for row in rows] == [("replayed", ""), ("failed", "currency_inactive")]


async def test_what_never_was_a_currency_is_unknown_and_keeps_no_key(world: World) -> None:
    headers = key()
    code = next(_codes)
    refused = await world.api.post("/transfers", json=world.says() | {"currency": code}, headers=headers)
    assert verdict(refused) == (422, "unknown_currency")
    await in_reader(Currency.objects.create, code=code, exponent=2, name="Of a test")
    body = {"merchant_name": unique(), "currency": code, "initial_balance": "1.00"}
    assert (await world.api.post("/merchants", json=body, headers=headers)).status_code == 201


async def test_whoever_is_frozen_between_two_tries_gets_the_first_answer(world: World) -> None:
    """Freezes, closures and fees are judged under the locks as well, after the key."""
    payer = await in_reader(Merchant.objects.get, name=world.payer)
    calls = [(await door(world), key()) for door in (_deposit, _by_names, _by_ids, _hold, _withdraw, _batch_item)]
    first = [await world.api.post(path, json=body, headers=headers) for (path, body), headers in calls]
    now = await in_reader(database_now)
    draft = FeeSchedule(merchant_id=payer.id, currency_id=world.code, flat_minor=7, effective_from=now, note="later")
    await in_reader(append_schedule, draft, by=None)
    await in_reader(set_merchant_status, payer.id, Status.FROZEN)
    again = [await world.api.post(path, json=body, headers=headers) for (path, body), headers in calls]
    assert [(answer.status_code, answer.content) for answer in again] == [(answer.status_code, answer.content) for answer in first]
    assert all(answer.headers["Idempotent-Replayed"] == "true" for answer in again)
