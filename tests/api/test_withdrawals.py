"""Money out: down to zero, and to the overdraft where there is one, and not further."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx

from ledger_project.database.readers import in_reader
from merchants.models import Account
from tests.support.factories import balance_minor, key, merchant, wallet


async def withdraw(api: httpx.AsyncClient, account: str, amount: str, **extra: object) -> httpx.Response:
    return await api.post(f"/accounts/{account}/withdraw", json={"amount": amount} | extra, headers=key())


async def test_a_withdrawal_answers_with_the_account_and_the_transfer(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "100")
    account = await wallet(api, name)
    response = await withdraw(api, account, "40.00", memo="payout", external_reference="out-1")
    assert response.status_code == 200
    shown, made = response.json()["account"], response.json()["transfer"]
    assert shown == (await api.get(f"/accounts/{account}")).json()
    assert (shown["available"], shown["available_minor"]) == ("60.00", 6000)
    assert (made["kind"], made["from_merchant"], made["to_merchant"], made["fee_minor"]) == ("withdrawal", name, None, 0)
    assert (made["total_debit"], made["memo"], made["external_reference"]) == ("40.00", "payout", "out-1")
    entries = (await api.get(f"/transfers/{made['id']}")).json()["entries"]
    assert sorted((e["account_kind"], e["direction"], e["amount_minor"], e["balance_after_minor"]) for e in entries) == [
        ("external", "CREDIT", 4000, -6000),
        ("wallet", "DEBIT", 4000, 6000),
    ]


async def test_all_of_it_goes_and_not_a_cent_more(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "100")
    account = await wallet(api, name)
    short = await withdraw(api, account, "100.01")
    assert (short.status_code, short.json()["code"]) == (409, "insufficient_funds")
    figures = {n: short.json()[n] for n in ("currency", "available", "available_minor", "required", "required_minor", "fee_minor")}
    assert figures == {
        "currency": "USD", "available": "100.00", "available_minor": 10_000, "required": "100.01", "required_minor": 10_001, "fee_minor": 0,
    }  # fmt: skip
    assert short.json()["detail"] == f"{name} holds 100.00 USD; 100.01 is needed."
    assert (await withdraw(api, account, "100")).status_code == 200
    assert (await withdraw(api, account, "0.01")).json()["code"] == "insufficient_funds"


async def test_what_is_held_cannot_be_withdrawn(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "100")
    body = {"from_merchant": name, "to_merchant": await merchant(api), "currency": "USD", "amount": "50"}
    await api.post("/holds", json=body, headers=key())
    refused = await withdraw(api, await wallet(api, name), "50")
    assert (refused.json()["code"], refused.json()["available"]) == ("insufficient_funds", "49.50")
    assert (await withdraw(api, await wallet(api, name), "49.50")).status_code == 200


async def test_an_overdraft_goes_so_far_and_no_further(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "10")
    account = await wallet(api, name)
    await in_reader(Account.objects.filter(id=account).update, overdraft_limit_minor=500)
    refused = await withdraw(api, account, "15.01")
    assert (refused.json()["code"], refused.json()["available_minor"]) == ("insufficient_funds", 1000)
    assert (refused.json()["overdraft_limit"], refused.json()["overdraft_limit_minor"]) == ("5.00", 500)
    shown = (await withdraw(api, account, "15.00")).json()["account"]
    assert (shown["balance"], shown["balance_minor"]) == ("-5.00", -500)


async def test_withdrawals_at_once_never_take_more_than_there_is(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "100")
    account = await wallet(api, name)
    answers = await asyncio.gather(*[withdraw(api, account, "30") for _ in range(20)])
    assert Counter(answer.status_code for answer in answers) == {200: 3, 409: 17}
    assert await balance_minor(api, name) == 1000


async def test_a_withdrawal_reference_is_used_once(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "100")
    account = await wallet(api, name)
    first = await withdraw(api, account, "10", external_reference="payout-7")
    second = await withdraw(api, account, "10", external_reference="payout-7")
    assert (second.json()["code"], second.json()["transfer_id"]) == ("duplicate_external_reference", first.json()["transfer"]["id"])
    assert await balance_minor(api, name) == 9000
