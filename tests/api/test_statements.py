"""Statements: an account's lines, newest first, with what they open and close with."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support.factories import key, merchant, transfer, unique, wallet

UNKNOWN = "01a1fc35-d5a5-775d-b78f-46dff00cbdd2"


async def statement(api: httpx.AsyncClient, account: str, **params: Any) -> dict[str, Any]:
    response = await api.get(f"/accounts/{account}/statement", params={n.rstrip("_"): v for n, v in params.items()})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def all_pages(api: httpx.AsyncClient, account: str, **params: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the lines of all pages, and the pages."""
    page = await statement(api, account, **params)
    pages = [page]
    while page["next_cursor"] is not None:
        page = await statement(api, account, cursor=page["next_cursor"], limit=params.get("limit", 50))
        pages.append(page)
    return [line for page in pages for line in page["items"]], pages


def signed(line: dict[str, Any]) -> int:
    amount: int = line["amount_minor"]
    return amount if line["direction"] == "CREDIT" else -amount


def adds_up(lines: list[dict[str, Any]], opening: int, closing: int) -> bool:
    return opening + sum(map(signed, lines)) == closing


async def busy(api: httpx.AsyncClient) -> tuple[str, str, str]:
    """A merchant with one line of each type: its name, its account, and the merchant it deals with."""
    name, other = await merchant(api, "100"), await merchant(api, "100")
    account = await wallet(api, name)
    await api.post(f"/accounts/{account}/deposit", json={"amount": "10", "memo": "in"}, headers=key())
    await api.post(f"/accounts/{account}/withdraw", json={"amount": "1"}, headers=key())
    made = (await transfer(api, name, other, 1000, memo="out")).json()
    await api.post(f"/transfers/{made['id']}/reverse", json={"refund_fee": True}, headers=key())
    await transfer(api, other, name, 100)
    hold = {"from_merchant": name, "to_merchant": other, "currency": "USD", "amount": "5"}
    held = [(await api.post("/holds", json=hold, headers=key())).json()["id"] for _ in range(2)]
    await api.post(f"/holds/{held[0]}/capture", json={"amount": "2"}, headers=key())
    await api.post(f"/holds/{held[1]}/void", headers=key())
    return name, account, other


async def test_each_movement_is_a_line_of_its_type_newest_first(api: httpx.AsyncClient) -> None:
    _, account, other = await busy(api)
    lines = (await statement(api, account))["items"]
    assert [(line["direction"], line["type"], line["amount_minor"], line["counterparty"]) for line in reversed(lines)] == [
        ("CREDIT", "opening", 10_000, None),
        ("CREDIT", "deposit", 1000, None),
        ("DEBIT", "withdrawal", 100, None),
        ("DEBIT", "transfer", 1000, other),
        ("DEBIT", "fee", 10, None),
        ("CREDIT", "fee_refund", 10, None),
        ("CREDIT", "reversal", 1000, other),
        ("CREDIT", "transfer", 100, other),
        ("DEBIT", "hold", 505, other),
        ("DEBIT", "hold", 505, other),
        ("CREDIT", "hold_release", 303, other),  # what the capture of 2.00 + 0.02 left of 5.05
        ("CREDIT", "hold_release", 505, other),
    ]
    assert [line["sequence"] for line in reversed(lines)] == list(range(1, 13))


async def test_a_line_has_the_fields_of_the_contract(api: httpx.AsyncClient) -> None:
    _, account, _ = await busy(api)
    lines = (await statement(api, account))["items"]
    documented = {
        "id",
        "account_id",
        "transfer_id",
        "sequence",
        "direction",
        "type",
        "amount",
        "balance_after",
        "counterparty",
        "memo",
        "external_reference",
        "created_at",
    }
    for line in lines:
        assert documented <= set(line)
        assert set(line) == documented | {"amount_minor", "balance_after_minor", "currency"}
        assert line["account_id"] == account
        assert len(line["created_at"].partition(".")[2]) == len("123456Z")
    assert len({line["id"] for line in lines}) == len(lines)
    assert [line["memo"] for line in reversed(lines)][:4] == [None, "in", None, "out"]


async def test_a_line_is_the_entry_that_its_transfer_shows(api: httpx.AsyncClient) -> None:
    _, account, _ = await busy(api)
    for line in (await statement(api, account))["items"]:
        entries = (await api.get(f"/transfers/{line['transfer_id']}")).json()["entries"]
        (same,) = [entry for entry in entries if entry["id"] == line["id"]]
        assert {n: v for n, v in same.items() if n != "account_kind"} == line
        assert same["account_kind"] == "wallet"


async def test_the_balance_runs(api: httpx.AsyncClient) -> None:
    name, account, _ = await busy(api)
    balance = 0
    lines = (await statement(api, account))["items"]
    for line in reversed(lines):
        balance += signed(line)
        assert line["balance_after_minor"] == balance
    shown = (await api.get(f"/accounts/{account}")).json()
    assert (shown["merchant_name"], shown["available_minor"]) == (name, balance)


async def test_without_a_period_there_are_no_opening_and_closing_balances(api: httpx.AsyncClient) -> None:
    _, account, _ = await busy(api)
    assert set(await statement(api, account)) == {"items", "next_cursor"}


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 200])
async def test_pages_join_without_gap_or_overlap(api: httpx.AsyncClient, limit: int) -> None:
    _, account, _ = await busy(api)
    lines, pages = await all_pages(api, account, limit=limit)
    assert lines == (await statement(api, account, limit=200))["items"]
    assert all(len(page["items"]) == limit for page in pages[:-1])
    assert pages[-1]["items"]


async def test_a_period_is_from_its_first_moment_until_before_its_last(api: httpx.AsyncClient) -> None:
    _, account, _ = await busy(api)
    lines = (await statement(api, account))["items"][::-1]
    for first in lines:
        for last in lines:
            if first["created_at"] > last["created_at"]:
                continue
            page = await statement(api, account, from_=first["created_at"], to=last["created_at"])
            inside = [line for line in lines if first["created_at"] <= line["created_at"] < last["created_at"]]
            assert page["items"] == inside[::-1]
            assert adds_up(page["items"], page["opening_balance_minor"], page["closing_balance_minor"])
            before = [line for line in lines if line["created_at"] < first["created_at"]]
            assert page["opening_balance_minor"] == sum(map(signed, before))


@pytest.mark.parametrize("bounds", [{"from": "2000-01-01T00:00:00Z"}, {"to": "2999-01-01T00:00:00Z"}])
async def test_one_bound_is_enough(api: httpx.AsyncClient, bounds: dict[str, str]) -> None:
    name, account, _ = await busy(api)
    page = await statement(api, account, **bounds)
    shown = (await api.get(f"/accounts/{account}")).json()
    assert (page["opening_balance"], page["closing_balance"]) == ("0.00", shown["available"])
    assert len(page["items"]) == 12
    assert name


async def test_an_empty_period_closes_as_it_opens(api: httpx.AsyncClient) -> None:
    _, account, _ = await busy(api)
    shown = (await api.get(f"/accounts/{account}")).json()
    before = await statement(api, account, from_="2000-01-01T00:00:00Z", to="2000-01-02T00:00:00Z")
    after = await statement(api, account, from_="2999-01-01T00:00:00Z", to="2999-01-02T00:00:00Z")
    assert (before["items"], before["opening_balance_minor"], before["closing_balance_minor"]) == ([], 0, 0)
    assert (after["items"], after["opening_balance"], after["closing_balance"]) == ([], shown["available"], shown["available"])


async def test_every_page_of_a_period_carries_the_same_balances(api: httpx.AsyncClient) -> None:
    _, account, _ = await busy(api)
    lines, pages = await all_pages(api, account, limit=5, from_="2000-01-01T00:00:00Z")
    assert len({(page["opening_balance_minor"], page["closing_balance_minor"]) for page in pages}) == 1
    assert adds_up(lines, pages[0]["opening_balance_minor"], pages[0]["closing_balance_minor"])


async def test_pages_of_a_period_add_up_although_money_moves_between_them(api: httpx.AsyncClient) -> None:
    _, account, other = await busy(api)
    name = (await api.get(f"/accounts/{account}")).json()["merchant_name"]
    page = await statement(api, account, limit=3, from_="2000-01-01T00:00:00Z", to="2999-01-01T00:00:00Z")
    lines, closing = list(page["items"]), page["closing_balance_minor"]
    while page["next_cursor"] is not None:
        assert (await transfer(api, name, other, 1)).status_code == 201
        page = await statement(api, account, limit=3, cursor=page["next_cursor"])
        assert page["closing_balance_minor"] == closing
        lines += page["items"]
    assert adds_up(lines, 0, closing)
    assert [line["sequence"] for line in lines] == list(range(12, 0, -1))


async def test_an_account_without_lines_has_an_empty_statement(api: httpx.AsyncClient) -> None:
    account = await wallet(api, await merchant(api, "0"))
    page = await statement(api, account, from_="2000-01-01T00:00:00Z")
    assert page == {
        "items": [], "next_cursor": None, "opening_balance": "0.00", "opening_balance_minor": 0, "closing_balance": "0.00", "closing_balance_minor": 0,
    }  # fmt: skip


@pytest.mark.parametrize("at", ["2026-01-01", "yesterday", "", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "1767225600"])
@pytest.mark.parametrize("bound", ["from", "to"])
async def test_a_bound_is_a_time_with_an_offset(api: httpx.AsyncClient, bound: str, at: str) -> None:
    account = await wallet(api, await merchant(api, "0"))
    response = await api.get(f"/accounts/{account}/statement", params={bound: at})
    assert (response.status_code, response.json()["code"], response.json()["errors"][0]["field"]) == (422, "validation_error", bound)


async def test_any_offset_means_the_same_moment(api: httpx.AsyncClient) -> None:
    _, account, _ = await busy(api)
    moment = datetime.fromisoformat((await statement(api, account))["items"][4]["created_at"])
    utc = await statement(api, account, from_=moment.isoformat())
    for text in (moment.isoformat().replace("+00:00", "Z"), (moment + timedelta(hours=5)).isoformat().replace("+00:00", "+05:00")):
        assert (await statement(api, account, from_=text))["items"] == utc["items"]


@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "1.5", ""])
async def test_a_page_has_1_to_200_lines(api: httpx.AsyncClient, limit: str) -> None:
    account = await wallet(api, await merchant(api, "0"))
    response = await api.get(f"/accounts/{account}/statement", params={"limit": limit})
    assert (response.status_code, response.json()["code"]) == (422, "validation_error")


async def test_a_cursor_belongs_to_its_account_and_its_period(api: httpx.AsyncClient) -> None:
    _, account, _ = await busy(api)
    _, other, _ = await busy(api)
    cursor = (await statement(api, account, limit=1, from_="2000-01-01T00:00:00Z"))["next_cursor"]
    for path, params in [
        (other, {}), (account, {"from": "2001-01-01T00:00:00Z"}), (account, {"to": "2999-01-01T00:00:00Z"}),
    ]:  # fmt: skip
        response = await api.get(f"/accounts/{path}/statement", params=params | {"cursor": cursor})
        assert (response.status_code, response.json()["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize("account", [UNKNOWN, "x", unique()])
@pytest.mark.parametrize("accept", ["application/json", "text/csv", "application/xml", "application/pdf"])
async def test_an_unknown_account_has_no_statement(api: httpx.AsyncClient, account: str, accept: str) -> None:
    response = await api.get(f"/accounts/{account}/statement", headers={"Accept": accept})
    assert (response.status_code, response.json()["code"]) == (404, "account_not_found")
    assert response.headers["content-type"] == "application/problem+json"
