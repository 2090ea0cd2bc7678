"""Money in: what a deposit moves, and the external reference that outlives keys."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx
import pytest
from django.db import connection

from ledger_project.database.readers import in_reader
from merchants.models import Account, Merchant
from tests.support.factories import balance_minor, key, merchant, transfer, unique, wallet
from tests.support.keys import forget_key
from transfers.posting import sql

UNKNOWN = "01a1fc35-d5a5-775d-b78f-46dff00cbdd2"


async def deposit(api: httpx.AsyncClient, account: str, headers: dict[str, str] | None = None, **body: object) -> httpx.Response:
    return await api.post(f"/accounts/{account}/deposit", json={"amount": "10.00"} | body, headers=headers or key())


async def test_a_deposit_answers_with_the_account_and_the_transfer(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "5")
    account = await wallet(api, name)
    response = await deposit(api, account, external_reference="bank-1", memo="top-up", metadata={"b": [1], "a": None})
    assert response.status_code == 200
    body = response.json()
    assert list(body) == ["account", "transfer"]
    assert body["account"] == (await api.get(f"/accounts/{account}")).json()
    assert (body["account"]["balance"], body["account"]["available_minor"], body["account"]["held"]) == ("15.00", 1500, "0.00")
    made = body["transfer"]
    assert (made["kind"], made["from_merchant"], made["to_merchant"], made["amount"], made["fee"]) == (
        "deposit",
        None,
        name,
        "10.00",
        "0.00",
    )
    assert (made["total_debit_minor"], made["fee_schedule"], made["external_reference"]) == (1000, None, "bank-1")
    assert (made["memo"], made["metadata"]) == ("top-up", {"b": [1], "a": None})


async def test_a_deposit_comes_from_the_merchants_own_outside(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "5")
    made = (await deposit(api, await wallet(api, name))).json()["transfer"]
    shown = (await api.get(f"/transfers/{made['id']}")).json()
    assert sorted(
        (e["account_kind"], e["direction"], e["type"], e["amount_minor"], e["balance_after_minor"]) for e in shown["entries"]
    ) == [
        ("external", "DEBIT", "deposit", 1000, -1500),
        ("wallet", "CREDIT", "deposit", 1000, 1500),
    ]
    assert {e["counterparty"] for e in shown["entries"] if e["account_kind"] == "wallet"} == {None}


async def test_an_account_shows_what_is_held_beside_what_can_be_spent(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "20")
    body = {"from_merchant": name, "to_merchant": await merchant(api), "currency": "USD", "amount": "10"}
    assert (await api.post("/holds", json=body, headers=key())).status_code == 201
    account = (await deposit(api, await wallet(api, name))).json()["account"]
    assert (account["available"], account["held"], account["balance"]) == ("19.90", "10.10", "30.00")


async def test_the_same_notice_under_two_keys_credits_once(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "0")
    account = await wallet(api, name)
    first = await deposit(api, account, external_reference="notice")
    second = await deposit(api, account, external_reference="notice")
    assert (second.status_code, second.json()["code"]) == (409, "duplicate_external_reference")
    assert second.json()["transfer_id"] == first.json()["transfer"]["id"]
    assert await balance_minor(api, name) == 1000


async def test_a_reference_is_taken_even_for_another_amount(api: httpx.AsyncClient) -> None:
    account = await wallet(api, await merchant(api, "0"))
    await deposit(api, account, external_reference="notice")
    assert (await deposit(api, account, amount="7", external_reference="notice")).json()["code"] == "duplicate_external_reference"


async def test_a_reference_outlives_its_key(api: httpx.AsyncClient) -> None:
    name, headers = await merchant(api, "0"), key()
    account = await wallet(api, name)
    first = await deposit(api, account, headers, external_reference="notice")
    assert await in_reader(forget_key, headers["Idempotency-Key"]) == 1
    again = await deposit(api, account, headers, external_reference="notice")
    assert (again.json()["code"], again.json()["transfer_id"]) == ("duplicate_external_reference", first.json()["transfer"]["id"])
    assert await balance_minor(api, name) == 1000


async def test_another_account_may_use_the_same_reference(api: httpx.AsyncClient) -> None:
    ann, ben = await wallet(api, await merchant(api, "0")), await wallet(api, await merchant(api, "0"))
    answers = [await deposit(api, account, external_reference="INV-1") for account in (ann, ben)]
    assert [answer.status_code for answer in answers] == [200, 200]


async def test_a_refused_deposit_leaves_its_reference_free(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "0")
    account = await wallet(api, name)
    await in_reader(Merchant.objects.filter(name=name).update, status="frozen")
    assert (await deposit(api, account, external_reference="notice")).json()["code"] == "account_frozen"
    await in_reader(Merchant.objects.filter(name=name).update, status="active")
    assert (await deposit(api, account, external_reference="notice")).status_code == 200


async def test_in_and_out_of_an_account_share_its_references(api: httpx.AsyncClient) -> None:
    """For a deposit the account is the credited one, for all else the one that pays: both are the wallet."""
    name = await merchant(api, "100")
    account = await wallet(api, name)
    first = (await deposit(api, account, external_reference="r")).json()["transfer"]["id"]
    out = await api.post(f"/accounts/{account}/withdraw", json={"amount": "1", "external_reference": "r"}, headers=key())
    sent = await transfer(api, name, await merchant(api), 100, external_reference="r")
    assert [(a.json()["code"], a.json()["transfer_id"]) for a in (out, sent)] == [("duplicate_external_reference", first)] * 2


async def test_a_reference_that_many_accounts_use_is_looked_up_for_one_account_only(api: httpx.AsyncClient) -> None:
    """ "INV-1" is everybody's first invoice: a posting must not read everybody's."""
    account = await wallet(api, await merchant(api, "0"))
    await deposit(api, account, external_reference="INV-1")

    def explain() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SET enable_seqscan = off")
            cursor.execute("EXPLAIN " + sql.REFERENCES, ["{INV-1}", "{" + account + "}"])
            plan = "\n".join(row[0] for row in cursor.fetchall())
            cursor.execute("RESET enable_seqscan")
            return plan

    plan = await in_reader(explain)
    condition = next(line for line in plan.splitlines() if "Index Cond" in line)
    assert "reference" in condition
    assert "account_id" in condition


@pytest.mark.parametrize("reference", ["x", "x" * 255, "naïve ☃", 'a"b\\c', "{a,b}", "NULL", " "])
async def test_any_text_can_be_a_reference(api: httpx.AsyncClient, reference: str) -> None:
    account = await wallet(api, await merchant(api, "0"))
    first = await deposit(api, account, external_reference=reference)
    assert (first.status_code, first.json()["transfer"]["external_reference"]) == (200, reference)
    assert (await deposit(api, account, external_reference=reference)).json()["transfer_id"] == first.json()["transfer"]["id"]


async def test_no_reference_is_never_a_duplicate(api: httpx.AsyncClient) -> None:
    account = await wallet(api, await merchant(api, "0"))
    answers = [await deposit(api, account, **extra) for extra in ({}, {}, {"external_reference": None}, {"external_reference": None})]
    assert [answer.status_code for answer in answers] == [200] * 4


async def test_twenty_notices_at_once_credit_once(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "0")
    account = await wallet(api, name)
    answers = await asyncio.gather(*[deposit(api, account, external_reference="notice") for _ in range(20)])
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 19}
    assert await balance_minor(api, name) == 1000


INVALID: list[tuple[dict[str, object], str]] = [
    ({"amount": None}, "amount"),
    ({"amount": 10}, "amount"),
    ({"amount": "10.001"}, "amount"),
    ({"amount": "0"}, "amount"),
    ({"amount_minor": 5}, "amount"),
    ({"external_reference": ""}, "external_reference"),
    ({"external_reference": "x" * 256}, "external_reference"),
    ({"external_reference": "a\x00"}, "external_reference"),
    ({"external_reference": 5}, "external_reference"),
    ({"memo": "x" * 501}, "memo"),
    ({"memo": "\x00"}, "memo"),
    ({"metadata": {"a": "x" * 17_000}}, "metadata"),
    ({"metadata": {"a": {"b": "\x00"}}}, "metadata"),
    ({"currency": "USD"}, "currency"),
]


@pytest.mark.parametrize(("change", "field"), INVALID)
@pytest.mark.parametrize("call", ["deposit", "withdraw"])
async def test_what_is_invalid_names_its_field_and_moves_nothing(
    api: httpx.AsyncClient, call: str, change: dict[str, object], field: str
) -> None:
    name = await merchant(api, "100")
    account = await wallet(api, name)
    response = await api.post(f"/accounts/{account}/{call}", json={"amount": "10.00"} | change, headers=key())
    assert (response.status_code, response.json()["code"]) == (422, "validation_error")
    assert response.json()["errors"][0]["field"] == field
    assert await balance_minor(api, name) == 10_000


@pytest.mark.parametrize("account", [UNKNOWN, "x", "0", unique()])
@pytest.mark.parametrize("call", ["deposit", "withdraw"])
async def test_an_unknown_account_is_not_found(api: httpx.AsyncClient, call: str, account: str) -> None:
    response = await api.post(f"/accounts/{account}/{call}", json={"amount": "1"}, headers=key())
    assert (response.status_code, response.json()["code"]) == (404, "account_not_found")


@pytest.mark.parametrize("body", [{}, {"amount": "1", "amount_minor": 100}, {"amount": "ten"}, {"amount": "1e3"}, {"amount_minor": 0}])
@pytest.mark.parametrize("call", ["deposit", "withdraw"])
async def test_validation_comes_before_existence_so_the_key_stays_free(api: httpx.AsyncClient, call: str, body: dict[str, object]) -> None:
    headers = key()
    response = await api.post(f"/accounts/{UNKNOWN}/{call}", json=body, headers=headers)
    assert (response.status_code, response.json()["code"]) == (422, "validation_error")
    account = await wallet(api, await merchant(api, "100"))
    assert (await api.post(f"/accounts/{account}/{call}", json={"amount": "1"}, headers=headers)).status_code == 200


@pytest.mark.parametrize("kind", ["held", "fees", "external"])
async def test_only_wallets_can_be_addressed(api: httpx.AsyncClient, kind: str) -> None:
    name, other = await merchant(api, "100"), await merchant(api)
    await transfer(api, name, other, 1000)
    await api.post("/holds", json={"from_merchant": name, "to_merchant": other, "currency": "USD", "amount": "1"}, headers=key())
    hidden = str((await in_reader(Account.objects.get, merchant__name=name, kind=kind)).id)
    for call in ("deposit", "withdraw"):
        response = await api.post(f"/accounts/{hidden}/{call}", json={"amount": "1"}, headers=key())
        assert (response.status_code, response.json()["code"]) == (404, "account_not_found")
    for path in (f"/accounts/{hidden}", f"/accounts/{hidden}/statement"):
        assert (await api.get(path)).json()["code"] == "account_not_found"


@pytest.mark.parametrize("status", ["frozen", "closed"])
@pytest.mark.parametrize("model", [Account, Merchant])
@pytest.mark.parametrize("call", ["deposit", "withdraw"])
async def test_nothing_moves_in_or_out_of_a_frozen_or_closed_account(
    api: httpx.AsyncClient, call: str, model: type[Account] | type[Merchant], status: str
) -> None:
    name = await merchant(api, "100")
    account = await wallet(api, name)
    rows = Account.objects.filter(id=account) if model is Account else Merchant.objects.filter(name=name)
    await in_reader(rows.update, status=status)
    response = await api.post(f"/accounts/{account}/{call}", json={"amount": "1"}, headers=key())
    assert (response.status_code, response.json()["code"], response.json()["merchant_name"]) == (409, f"account_{status}", name)
    assert (await api.get(f"/accounts/{account}")).json()["status"] == status


async def test_the_largest_amount_goes_in_and_a_full_account_takes_no_more(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "0")
    account = await wallet(api, name)
    assert (await api.post(f"/accounts/{account}/deposit", json={"amount_minor": 10**30}, headers=key())).status_code == 200
    too_much = await api.post(f"/accounts/{account}/deposit", json={"amount_minor": 10**30 + 1}, headers=key())
    assert (too_much.status_code, too_much.json()["code"]) == (422, "validation_error")
    assert await balance_minor(api, name) == 10**30
