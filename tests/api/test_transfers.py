"""Transfers over HTTP: what they move, what they cost, and every way in which they are refused."""

from __future__ import annotations

import json

import httpx
import pytest

from ledger_project.database.readers import in_reader
from merchants.models import Account, Merchant
from tests.support.factories import balance_minor, key, merchant, transfer, unique, wallet


async def test_a_transfer_moves_the_amount_and_charges_the_sender(api: httpx.AsyncClient) -> None:
    source, target = await merchant(api, "0.00001", "BTC"), await merchant(api)
    body = {
        "from_merchant": source,
        "to_merchant": target,
        "currency": "BTC",
        "amount": "0.00000500",
        "memo": "thanks",
        "metadata": {"b": 1, "a": [2]},
    }
    response = await api.post("/transfers", json=body, headers=key())
    assert response.status_code == 201
    made = response.json()
    assert {name: made[name] for name in ("kind", "status", "from_merchant", "to_merchant", "currency", "reverses", "external_reference")} == {
        "kind": "transfer", "status": "posted", "from_merchant": source, "to_merchant": target, "currency": "BTC", "reverses": None,
        "external_reference": None,
    }  # fmt: skip
    assert (made["amount"], made["amount_minor"], made["fee"], made["fee_minor"]) == ("0.00000500", 500, "0.00000005", 5)
    assert (made["total_debit"], made["total_debit_minor"], made["memo"], made["metadata"]) == (
        "0.00000505",
        505,
        "thanks",
        {"b": 1, "a": [2]},
    )
    assert made["fee_schedule"]["version"] == 1
    assert (await balance_minor(api, source, "BTC"), await balance_minor(api, target, "BTC")) == (495, 500)


async def test_a_transfer_is_shown_with_all_its_entries(api: httpx.AsyncClient) -> None:
    source, target = await merchant(api, "100"), await merchant(api)
    made = (await transfer(api, source, target, 1000, memo="m")).json()
    shown = (await api.get(f"/transfers/{made['id']}")).json()
    entries = shown.pop("entries")
    assert shown == made
    assert sorted((e["account_kind"], e["direction"], e["type"], e["amount_minor"], e["balance_after_minor"]) for e in entries) == [
        ("fees", "CREDIT", "fee", 10, 10),
        ("wallet", "CREDIT", "transfer", 1000, 1000),
        ("wallet", "DEBIT", "fee", 10, 8990),
        ("wallet", "DEBIT", "transfer", 1000, 9000),
    ]
    parties = {(e["type"], e["direction"]): e["counterparty"] for e in entries}
    assert (parties["transfer", "DEBIT"], parties["transfer", "CREDIT"], parties["fee", "DEBIT"]) == (target, source, None)


async def test_accounts_may_be_named_instead_of_merchants(api: httpx.AsyncClient) -> None:
    source, target = await merchant(api, "100"), await merchant(api, "0")
    body = {"source_account_id": await wallet(api, source), "dest_account_id": await wallet(api, target), "amount": "1.00"}
    response = await api.post("/transfers", json=body, headers=key())
    assert (response.status_code, response.json()["from_merchant"], response.json()["to_merchant"]) == (201, source, target)
    assert await balance_minor(api, target) == 100


async def test_more_than_there_is_is_refused_with_the_figures(api: httpx.AsyncClient) -> None:
    source, target = await merchant(api, "0.00000100", "BTC"), await merchant(api)
    response = await transfer(api, source, target, 500, currency="BTC")
    assert (response.status_code, response.headers["content-type"]) == (409, "application/problem+json")
    problem = response.json()
    assert problem["type"].endswith("/insufficient_funds")
    assert problem["title"] == "Insufficient funds"
    assert problem["status"] == 409
    assert problem["detail"] == f"{source} holds 0.00000100 BTC; 0.00000505 is needed (0.00000500 + fee 0.00000005)."
    figures = {
        name: problem[name] for name in ("currency", "available", "available_minor", "required", "required_minor", "fee", "fee_minor")
    }
    assert figures == {
        "currency": "BTC", "available": "0.00000100", "available_minor": 100, "required": "0.00000505", "required_minor": 505,
        "fee": "0.00000005", "fee_minor": 5,
    }  # fmt: skip
    assert problem["request_id"] == response.headers["X-Request-Id"]


BAD_AMOUNTS: list[dict[str, object]] = [
    {},
    {"amount": "1", "amount_minor": 100},
    {"amount": 5},
    {"amount": 5.0},
    {"amount": None},
    {"amount": True},
    {"amount": ""},
    {"amount": " 1"},
    {"amount": "1e3"},
    {"amount": "+1"},
    {"amount": "-1"},
    {"amount": "0"},
    {"amount": "0.00"},
    {"amount": "1.000"},
    {"amount": "NaN"},
    {"amount": "1" * 60},
    {"amount": "1\x00"},
    {"amount_minor": 0},
    {"amount_minor": -5},
    {"amount_minor": "5"},
    {"amount_minor": 5.0},
    {"amount_minor": True},
    {"amount_minor": None},
    {"amount_minor": 10**30 + 1},
    {"amount_minor": 10**300},
]


@pytest.mark.parametrize("amount", BAD_AMOUNTS, ids=lambda a: json.dumps(a)[:40])
async def test_an_amount_that_cannot_be_moved_is_refused_and_frees_the_key(api: httpx.AsyncClient, amount: dict[str, object]) -> None:
    source, target, headers = await merchant(api, "100"), await merchant(api), key()
    body = {"from_merchant": source, "to_merchant": target, "currency": "USD"}
    response = await api.post("/transfers", json=body | amount, headers=headers)
    assert (response.status_code, response.json()["code"]) == (422, "validation_error")
    assert all(error["field"] in {"amount", "amount_minor"} for error in response.json()["errors"])
    assert (await api.post("/transfers", json=body | {"amount": "1"}, headers=headers)).status_code == 201


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"from_merchant": "nobody-here"}, 404, "merchant_not_found"),
        ({"to_merchant": "nobody-here"}, 404, "merchant_not_found"),
        ({"currency": "usd"}, 422, "unknown_currency"),
        ({"currency": "NOPE"}, 422, "unknown_currency"),
        ({"currency": 5}, 422, "validation_error"),
        ({"from_merchant": None}, 422, "validation_error"),
        ({"to_merchant": 7}, 422, "validation_error"),
        ({"memo": "x" * 501}, 422, "validation_error"),
        ({"memo": "a\x00"}, 422, "validation_error"),
        ({"metadata": "x"}, 422, "validation_error"),
        ({"external_reference": ""}, 422, "validation_error"),
        ({"external_reference": "x" * 256}, 422, "validation_error"),
        ({"surprise": 1}, 422, "validation_error"),
        ({"source_account_id": "01a1fc35-d5a5-775d-b78f-46dff00cbdd2"}, 422, "validation_error"),
    ],
)
async def test_what_is_wrong_has_its_code(api: httpx.AsyncClient, changes: dict[str, object], status: int, code: str) -> None:
    source, target = await merchant(api, "100"), await merchant(api)
    body = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount": "1"} | changes
    response = await api.post("/transfers", json=body, headers=key())
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert await balance_minor(api, source) == 10_000


async def test_a_merchant_cannot_pay_itself(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "100")
    assert (await transfer(api, name, name.upper(), 100)).json()["code"] == "same_account"
    account = await wallet(api, name)
    body = {"source_account_id": account, "dest_account_id": account.upper(), "amount": "1"}
    assert (await api.post("/transfers", json=body, headers=key())).json()["code"] == "same_account"


async def test_money_does_not_change_its_currency(api: httpx.AsyncClient) -> None:
    dollars, euros = await merchant(api, "100"), await merchant(api, "100", "EUR")
    body = {"source_account_id": await wallet(api, dollars), "dest_account_id": await wallet(api, euros, "EUR"), "amount": "1"}
    assert (await api.post("/transfers", json=body, headers=key())).json()["code"] == "currency_mismatch"
    same = {
        "source_account_id": await wallet(api, dollars),
        "dest_account_id": await wallet(api, await merchant(api, "0")),
        "amount": "1",
    }
    assert (await api.post("/transfers", json=same | {"currency": "EUR"}, headers=key())).json()["code"] == "currency_mismatch"


async def test_an_unknown_account_is_not_found(api: httpx.AsyncClient) -> None:
    account = await wallet(api, await merchant(api, "100"))
    unknown = "01a1fc35-d5a5-775d-b78f-46dff00cbdd2"
    for source, target in [(account, unknown), (unknown, account)]:
        response = await api.post("/transfers", json={"source_account_id": source, "dest_account_id": target, "amount": "1"}, headers=key())
        assert (response.status_code, response.json()["code"]) == (404, "account_not_found")


async def test_a_frozen_or_closed_account_moves_nothing(api: httpx.AsyncClient) -> None:
    source, target = await merchant(api, "100"), await merchant(api, "100")

    def set_status(model: type[Account] | type[Merchant], status: str) -> None:
        rows = Account.objects.filter(merchant__name=target, kind="wallet") if model is Account else Merchant.objects.filter(name=target)
        rows.update(status=status)

    for model in (Account, Merchant):
        for status in ("frozen", "closed"):
            await in_reader(set_status, model, status)
            assert (await transfer(api, source, target, 100)).json()["code"] == f"account_{status}"
            assert (await transfer(api, target, source, 100)).json()["code"] == f"account_{status}"
        await in_reader(set_status, model, "active")
    assert (await transfer(api, target, source, 100)).status_code == 201


async def test_an_external_reference_names_the_first_transfer(api: httpx.AsyncClient) -> None:
    source, target = await merchant(api, "100"), await merchant(api, "100")
    first = await transfer(api, source, target, 100, external_reference="INV-1")
    second = await transfer(api, source, target, 100, external_reference="INV-1")
    assert (second.status_code, second.json()["code"], second.json()["transfer_id"]) == (
        409,
        "duplicate_external_reference",
        first.json()["id"],
    )
    assert (await transfer(api, target, source, 100, external_reference="INV-1")).status_code == 201


async def test_a_quote_is_what_the_transfer_then_costs(api: httpx.AsyncClient) -> None:
    source, target = await merchant(api, "100"), await merchant(api)
    body = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount": "12.34"}
    quote = await api.post("/transfers/quote", json=body)
    assert quote.status_code == 200
    assert {k: v for k, v in quote.json().items() if not k.endswith("_minor") and k not in {"fee_schedule", "currency"}} == {
        "amount": "12.34", "fee": "0.12", "total_debit": "12.46", "receiver_gets": "12.34",
    }  # fmt: skip
    assert await balance_minor(api, source) == 10_000
    made = await api.post("/transfers", json=body, headers=key())
    assert (made.json()["fee"], made.json()["fee_schedule"]) == (quote.json()["fee"], quote.json()["fee_schedule"])
    missing = await api.post("/transfers/quote", json=body | {"to_merchant": "nobody-here"})
    assert (missing.status_code, missing.json()["code"]) == (404, "merchant_not_found")


async def test_transfers_are_listed_by_filters_that_combine(api: httpx.AsyncClient) -> None:
    ann, ben = await merchant(api, "100"), await merchant(api, "100", "USD")
    made = [(await transfer(api, ann, ben, 100 + i, external_reference=f"{ann}-{i}")).json() for i in range(5)]
    back = (await transfer(api, ben, ann, 50)).json()

    async def ids(**params: str) -> list[str]:
        response = await api.get("/transfers", params=params)
        assert response.status_code == 200, response.text
        return [item["id"] for item in response.json()["items"]]

    newest_first = [item["id"] for item in reversed(made)]
    assert await ids(**{"from": ann, "kind": "transfer"}) == newest_first
    assert await ids(**{"from": ann.upper(), "to": ben}) == newest_first
    assert await ids(to=ann, kind="transfer") == [back["id"]]
    assert await ids(external_reference=f"{ann}-3") == [made[3]["id"]]
    assert await ids(**{"external_reference": f"{ann}-3", "from": ben}) == []
    assert await ids(**{"from": ann, "currency": "EUR"}) == []
    assert await ids(**{"from": "nobody-here"}) == []
    assert await ids(**{"from": ann, "kind": "withdrawal"}) == []
    assert await ids(**{"from": ann, "created_from": made[1]["created_at"], "created_to": made[3]["created_at"]}) == [
        made[2]["id"],
        made[1]["id"],
    ]
    openings = await ids(to=ann, kind="opening")
    assert len(openings) == 1


async def test_pages_neither_skip_nor_repeat_while_transfers_are_added(api: httpx.AsyncClient) -> None:
    ann, ben = await merchant(api, "100"), await merchant(api)
    made = [(await transfer(api, ann, ben, 1)).json()["id"] for _ in range(10)]
    seen: list[str] = []
    page = (await api.get("/transfers", params={"from": ann, "limit": 3})).json()
    while True:
        seen += [item["id"] for item in page["items"]]
        await transfer(api, ann, ben, 1)
        if page["next_cursor"] is None:
            break
        page = (await api.get("/transfers", params={"cursor": page["next_cursor"], "limit": 3})).json()
    assert seen == made[::-1]


async def test_a_cursor_carries_its_filters(api: httpx.AsyncClient) -> None:
    ann, ben = await merchant(api, "100"), await merchant(api)
    for _ in range(3):
        await transfer(api, ann, ben, 1)
    cursor = (await api.get("/transfers", params={"from": ann, "limit": 1})).json()["next_cursor"]
    assert (await api.get("/transfers", params={"from": ann, "cursor": cursor})).status_code == 200
    other = await api.get("/transfers", params={"from": ben, "cursor": cursor})
    assert (other.status_code, other.json()["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize("cursor", ["x", "", "W10:1:2", "..", "é", "a" * 3000])
async def test_a_cursor_that_nobody_handed_out_is_refused(api: httpx.AsyncClient, cursor: str) -> None:
    for path in ("/merchants", "/transfers", "/holds"):
        response = await api.get(path, params={"cursor": cursor})
        assert (response.status_code, response.json()["code"]) == (400, "invalid_cursor")


async def test_a_cursor_of_another_list_is_refused(api: httpx.AsyncClient) -> None:
    await merchant(api), await merchant(api)
    cursor = (await api.get("/merchants", params={"limit": 1})).json()["next_cursor"]
    assert (await api.get("/transfers", params={"cursor": cursor})).json()["code"] == "invalid_cursor"


@pytest.mark.parametrize("transfer_id", ["x", "01a1fc35-d5a5-775d-b78f-46dff00cbdd2", "%00", unique()])
async def test_an_unknown_transfer_is_not_found(api: httpx.AsyncClient, transfer_id: str) -> None:
    response = await api.get(f"/transfers/{transfer_id}")
    assert (response.status_code, response.json()["code"]) == (404, "transfer_not_found")
