"""Pages of lists: limits, cursors that carry their filters, and rows that are added meanwhile."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.factories import key, merchant, transfer, unique, wallet

LISTS = ["/merchants", "/transfers", "/holds", "statement"]


async def path_of(api: httpx.AsyncClient, name: str) -> str:
    if name != "statement":
        return name
    return f"/accounts/{await wallet(api, await merchant(api, '1'))}/statement"


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("limit", ["0", "201", "-1", "1.0", "", "ten", "99999999999"])
async def test_a_limit_outside_1_to_200_is_refused(api: httpx.AsyncClient, name: str, limit: str) -> None:
    answer = await api.get(await path_of(api, name), params={"limit": limit})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")
    assert [error["field"] for error in answer.json()["errors"]] == ["limit"]


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("limit", ["1", "200"])
async def test_a_limit_from_1_to_200_is_kept(api: httpx.AsyncClient, name: str, limit: str) -> None:
    answer = await api.get(await path_of(api, name), params={"limit": limit})
    assert answer.status_code == 200
    assert len(answer.json()["items"]) <= int(limit)


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("cursor", ["x", "", "WyJhIl0:1:2", "é"])
async def test_a_cursor_that_was_never_handed_out_is_refused(api: httpx.AsyncClient, name: str, cursor: str) -> None:
    answer = await api.get(await path_of(api, name), params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


async def test_a_cursor_of_another_list_is_refused(api: httpx.AsyncClient) -> None:
    await merchant(api), await merchant(api)
    cursor = (await api.get("/merchants", params={"limit": 1})).json()["next_cursor"]
    for path in ("/transfers", "/holds", await path_of(api, "statement")):
        answer = await api.get(path, params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


async def pages(api: httpx.AsyncClient, path: str, between: Any, **filters: Any) -> list[dict[str, Any]]:
    """Read all pages of two; something is added after each of them, and only the cursor is sent from the second on."""
    items, params = [], {"limit": 2, **filters}
    while True:
        page = (await api.get(path, params=params)).json()
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        await between()
        params = {"limit": 2, "cursor": page["next_cursor"]}


async def test_transfers_are_shown_once_each_while_others_are_added(api: httpx.AsyncClient) -> None:
    source, target, other = await merchant(api, "100"), await merchant(api), await merchant(api, "100")
    made = [(await transfer(api, source, target, 100 + i)).json()["id"] for i in range(7)]
    await transfer(api, other, target, 5)

    async def add() -> None:
        await transfer(api, source, target, 1)

    assert [item["id"] for item in await pages(api, "/transfers", add, **{"from": source, "to": target})] == made[::-1]


@pytest.mark.parametrize("side", ["payer", "receiver", "payer, open ones, which end meanwhile"])
async def test_holds_are_shown_once_each_while_others_are_added_and_end(api: httpx.AsyncClient, side: str) -> None:
    source, target = await merchant(api, "100"), await merchant(api)

    async def hold() -> str:
        body = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount_minor": 10}
        return str((await api.post("/holds", json=body, headers=key())).json()["id"])

    made = [await hold() for _ in range(7)]
    shown = iter(made[::-1])

    async def add_and_end() -> None:
        await hold()
        answer = await api.post(f"/holds/{next(shown)}/void", headers=key())
        assert answer.json()["status"] == "voided", answer.text

    filters, between = {
        "payer": ({"merchant": source}, hold),
        "receiver": ({"merchant": target}, hold),
        "payer, open ones, which end meanwhile": ({"merchant": source, "status": "open"}, add_and_end),
    }[side]
    assert [item["id"] for item in await pages(api, "/holds", between, **filters)] == made[::-1]
    if between is add_and_end:
        voided = (await api.get("/holds", params={"merchant": source, "status": "voided"})).json()["items"]
        assert {item["id"] for item in voided} == set(made[-3:])
        assert {item["status"] for item in voided} == {"voided"}


async def test_merchants_are_shown_once_each_while_others_are_added(api: httpx.AsyncClient) -> None:
    prefix = unique("List")
    made = []
    for i in range(7):
        made.append(f"{prefix}.{i}")
        await api.post("/merchants", json={"merchant_name": made[-1]})

    async def add() -> None:
        await api.post("/merchants", json={"merchant_name": unique(f"{prefix}.x")})

    assert [item["merchant_name"] for item in await pages(api, "/merchants", add, search=prefix.upper() + ".")] == made[::-1]


async def test_a_cursor_carries_its_filters_and_refuses_others(api: httpx.AsyncClient) -> None:
    source, target = await merchant(api, "100"), await merchant(api)
    for _ in range(3):
        await transfer(api, source, target, 1)
    cursor = (await api.get("/transfers", params={"from": source, "limit": 1})).json()["next_cursor"]
    alone = (await api.get("/transfers", params={"cursor": cursor})).json()
    same = (await api.get("/transfers", params={"cursor": cursor, "from": source})).json()
    other = await api.get("/transfers", params={"cursor": cursor, "from": target})
    assert alone["items"] == same["items"]
    assert len(alone["items"]) == 2
    assert (other.status_code, other.json()["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize(
    "query", [{"from": "nobody-at-all"}, {"to": "nobody-at-all"}, {"kind": "fee_settlement", "from": "nobody-at-all"}, {"currency": "usd"}]
)
async def test_what_matches_nothing_is_an_empty_list(api: httpx.AsyncClient, query: dict[str, str]) -> None:
    assert (await api.get("/transfers", params=query)).json() == {"items": [], "next_cursor": None}
    assert (await api.get("/holds", params={"merchant": "nobody-at-all"})).json() == {"items": [], "next_cursor": None}


async def test_transfers_are_found_by_a_merchant_or_an_account_on_either_side(api: httpx.AsyncClient) -> None:
    ann, ben, cat = await merchant(api, "100"), await merchant(api, "100"), await merchant(api, "100")
    sent = (await transfer(api, ann, ben, 1)).json()["id"]
    received = (await transfer(api, ben, ann, 2)).json()["id"]
    other = (await transfer(api, ben, cat, 3)).json()["id"]
    account, elsewhere = await wallet(api, ann), await wallet(api, cat)

    async def found(**filters: str) -> set[str]:
        page = (await api.get("/transfers", params={"limit": "1", **filters})).json()
        pages = [item["id"] for item in page["items"]]
        while page["next_cursor"]:
            page = (await api.get("/transfers", params={"limit": "1", "cursor": page["next_cursor"]})).json()
            pages += [item["id"] for item in page["items"]]
        assert len(pages) == len(set(pages))
        assert pages == sorted(pages, reverse=True)
        return set(pages)

    opened = (await found(merchant=ann)) - {sent, received}
    assert len(opened) == 1
    assert await found(merchant=ann.upper(), kind="transfer") == await found(account_id=account, kind="transfer") == {sent, received}
    assert await found(account_id=account) == opened | {sent, received}
    assert await found(account_id=account, merchant=ben) == await found(merchant=ben, account_id=account.upper()) == {sent, received}
    assert await found(merchant=ann, **{"from": ben}) == {received}
    assert await found(merchant=ben, to=cat) == await found(account_id=elsewhere, kind="transfer") == {other}
    assert await found(account_id=elsewhere, merchant=ann) == await found(merchant=cat, **{"from": ann}) == set()
    assert await found(merchant=ann, currency="USD") == opened | {sent, received}
    assert await found(merchant=ann, currency="EUR") == await found(account_id=account, currency="EUR") == set()
    moment = (await api.get(f"/transfers/{received}")).json()["created_at"]
    assert await found(merchant=ann, created_from=moment) == {received}
    assert await found(account_id=account, created_to=moment) == opened | {sent}
    assert await found(merchant="nobody-here") == await found(account_id=sent) == set()
    assert await found(merchant=ann, payment_id=sent) == await found(exchange_id=sent) == set()
    for wrong in ({"account_id": "x"}, {"payment_id": ""}, {"exchange_id": "1"}):
        assert (await api.get("/transfers", params=wrong)).status_code == 422


ODD = '"quoted" \\back\\ \t\n\r\x01\x7f \u2028 é中\U0001f600 </script>'


@pytest.mark.parametrize(("currency", "amount_minor"), [("JPY", 7), ("USD", 5), ("BTC", 123_456_789_012), ("ETH", 10**29)])
async def test_a_listed_transfer_and_hold_are_the_bytes_that_were_answered(
    api: httpx.AsyncClient, currency: str, amount_minor: int
) -> None:
    payer, receiver = await merchant(api), await merchant(api)
    account = (await api.post(f"/merchants/{payer}/accounts", json={"currency": currency})).json()["id"]
    assert (await api.post(f"/accounts/{account}/deposit", json={"amount_minor": 10**30}, headers=key())).status_code == 200
    pair = {"from_merchant": payer, "to_merchant": receiver, "currency": currency, "amount_minor": amount_minor, "memo": ODD}
    metadata = {"n": 12, "no": False, "half": 0.5, "list": [1, {"a": None}], "text": ODD}  # in the order in which the database keeps it
    moved = await api.post("/transfers", json={**pair, "metadata": metadata, "external_reference": unique() + ODD}, headers=key())
    assert moved.status_code == 201
    assert (await api.get("/transfers", params={"merchant": receiver})).content == b'{"items":[%b],"next_cursor":null}' % moved.content
    held = await api.post("/holds", json={**pair, "metadata": metadata}, headers=key())
    assert held.status_code == 201
    assert (await api.get("/holds", params={"merchant": receiver})).content == b'{"items":[%b],"next_cursor":null}' % held.content
    assert (await api.get(f"/holds/{held.json()['id']}")).content == held.content


async def test_a_listed_merchant_is_the_bytes_that_were_answered(api: httpx.AsyncClient) -> None:
    body = {
        "merchant_name": unique(),
        "display_name": 'Zoë "Z" \U0001f600',
        "metadata": {"text": ODD},
        "currency": "BTC",
        "initial_balance": "0.5",
    }
    made = await api.post("/merchants", json=body)
    assert made.status_code == 201
    found = await api.get("/merchants", params={"search": body["merchant_name"]})
    assert found.content == b'{"items":[%b],"next_cursor":null}' % made.content
