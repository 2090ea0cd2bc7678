"""Merchants, their accounts and balances, over HTTP."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.support.factories import balance_minor, key, merchant, transfer, unique, wallet


async def test_a_merchant_is_registered_with_an_opening_balance(api: httpx.AsyncClient) -> None:
    name = unique()
    response = await api.post(
        "/merchants", json={"merchant_name": name, "currency": "BTC", "initial_balance": "1.5", "metadata": {"plan": "gold"}}
    )
    assert response.status_code == 201
    body = response.json()
    assert (body["merchant_name"], body["status"], body["metadata"]) == (name, "active", {"plan": "gold"})
    (row,) = body["balances"]
    assert (row["currency"], row["balance"], row["balance_minor"], row["held"]) == ("BTC", "1.50000000", 150_000_000, "0.00000000")
    assert (await api.get(f"/merchants/{name}")).json() == body


async def test_a_merchant_without_currency_holds_nothing(api: httpx.AsyncClient) -> None:
    name = await merchant(api)
    assert (await api.get(f"/merchants/{name}")).json()["balances"] == []
    assert await balance_minor(api, name, "EUR") == 0


async def test_a_name_is_found_regardless_of_case_and_shown_as_registered(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "5")
    response = await api.get(f"/merchants/{name.upper()}")
    assert (response.status_code, response.json()["merchant_name"]) == (200, name)


async def test_a_name_is_unique_regardless_of_case(api: httpx.AsyncClient) -> None:
    name = await merchant(api)
    response = await api.post("/merchants", json={"merchant_name": name.upper()})
    assert (response.status_code, response.json()["code"]) == (409, "merchant_exists")


async def test_of_twenty_registrations_of_one_name_one_wins(api: httpx.AsyncClient) -> None:
    name = unique()
    body = {"merchant_name": name, "currency": "USD", "initial_balance": "10"}
    answers = await asyncio.gather(*[api.post("/merchants", json=body) for _ in range(20)])
    assert sorted(a.status_code for a in answers) == [201] + [409] * 19
    assert await balance_minor(api, name) == 1000


async def test_registration_honours_a_key(api: httpx.AsyncClient) -> None:
    headers, body = key(), {"merchant_name": unique(), "currency": "USD", "initial_balance": "10"}
    first, second = (
        await api.post("/merchants", json=body, headers=headers),
        await api.post("/merchants", json=body, headers=headers),
    )
    assert (first.status_code, second.status_code, second.content) == (201, 201, first.content)
    assert second.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("name", ["", "-a", ".a", "a b", "a/b", "x" * 65, "naïve", "a\n", "a\x00b", 5, None, True, ["a"]])
async def test_a_name_of_other_characters_is_refused(api: httpx.AsyncClient, name: object) -> None:
    response = await api.post("/merchants", json={"merchant_name": name})
    assert (response.status_code, response.json()["code"]) == (422, "validation_error")
    assert response.json()["errors"][0]["field"] == "merchant_name"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"currency": "USD", "initial_balance": "-1"}, "initial_balance"),
        ({"currency": "USD", "initial_balance": "1.001"}, "initial_balance"),
        ({"currency": "USD", "initial_balance": 5}, "initial_balance"),
        ({"currency": "USD", "initial_balance": "1e3"}, "initial_balance"),
        ({"initial_balance": "5"}, "currency"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"a": "\x00"}}, "metadata"),
        ({"metadata": {"a": "x" * 17_000}}, "metadata"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_what_else_is_wrong_is_named(api: httpx.AsyncClient, body: dict[str, object], field: str) -> None:
    response = await api.post("/merchants", json={"merchant_name": unique(), **body})
    assert (response.status_code, response.json()["code"]) == (422, "validation_error")
    assert field in [error["field"] for error in response.json()["errors"]]


@pytest.mark.parametrize("code", ["usd", "XYZ", "", "XAU"])
async def test_a_currency_must_be_known(api: httpx.AsyncClient, code: str) -> None:
    response = await api.post("/merchants", json={"merchant_name": unique(), "currency": code})
    assert response.status_code == 422
    assert response.json()["code"] == ("validation_error" if code == "" else "unknown_currency")


async def test_the_largest_opening_is_kept_exactly(api: httpx.AsyncClient) -> None:
    name = await merchant(api, str(10**30), "JPY")
    assert await balance_minor(api, name, "JPY") == 10**30


async def test_nobody_is_found_under_an_unknown_name(api: httpx.AsyncClient) -> None:
    for path in ("/merchants/nobody-here", "/merchants/nobody-here/balance", "/merchants/%00"):
        response = await api.get(path)
        assert (response.status_code, response.json()["code"]) == (404, "merchant_not_found")


async def test_an_account_is_opened_once(api: httpx.AsyncClient) -> None:
    name = await merchant(api)
    first = await api.post(f"/merchants/{name}/accounts", json={"currency": "EUR"})
    assert (first.status_code, first.json()["balance"], first.json()["status"]) == (201, "0.00", "active")
    assert (await api.get(f"/accounts/{first.json()['id']}")).json() == first.json()
    second = await api.post(f"/merchants/{name}/accounts", json={"currency": "EUR"})
    assert (second.status_code, second.json()["code"]) == (409, "account_exists")
    nobody = await api.post("/merchants/nobody-here/accounts", json={"currency": "EUR"})
    assert (nobody.status_code, nobody.json()["code"]) == (404, "merchant_not_found")


async def test_the_first_credit_opens_an_account_and_a_refused_one_does_not(api: httpx.AsyncClient) -> None:
    source, target = await merchant(api, "10"), await merchant(api)
    assert (await transfer(api, source, target, 5000)).status_code == 409
    assert (await api.get(f"/merchants/{target}")).json()["balances"] == []
    assert (await transfer(api, source, target, 500)).status_code == 201
    assert [row["balance_minor"] for row in (await api.get(f"/merchants/{target}")).json()["balances"]] == [500]


async def test_a_balance_as_of_a_moment_includes_that_moment(api: httpx.AsyncClient) -> None:
    source, target = await merchant(api, "100"), await merchant(api)
    moments = [(await transfer(api, source, target, 100)).json()["created_at"] for _ in range(5)]
    for count, moment in enumerate(moments, start=1):
        whole, micro = moment[:-8], int(moment[-7:-1])
        before = f"{whole}.{micro - 1:06}Z" if micro else moment
        at = await api.get(f"/merchants/{target}/balance", params={"currency": "USD", "at": moment})
        assert at.json()["balances"][0]["balance_minor"] == 100 * count
        just_before = await api.get(f"/merchants/{target}/balance", params={"currency": "USD", "at": before})
        assert just_before.json()["balances"][0]["balance_minor"] == 100 * (count - (1 if micro else 0))


async def test_a_balance_before_the_merchant_existed_is_zero(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "100")
    response = await api.get(f"/merchants/{name}/balance", params={"currency": "USD", "at": "2001-01-01T00:00:00+02:00"})
    assert response.json()["balances"][0]["balance_minor"] == 0
    assert response.json()["as_of"] == "2000-12-31T22:00:00.000000Z"


@pytest.mark.parametrize("at", ["yesterday", "2026-01-01", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "", "9999-12-31T23:59:59-23:00"])
async def test_a_moment_is_rfc_3339_with_offset(api: httpx.AsyncClient, at: str) -> None:
    name = await merchant(api)
    response = await api.get(f"/merchants/{name}/balance", params={"at": at})
    assert (response.status_code, response.json()["code"]) == (422, "validation_error")


async def test_an_unknown_currency_has_no_balance(api: httpx.AsyncClient) -> None:
    name = await merchant(api)
    response = await api.get(f"/merchants/{name}/balance", params={"currency": "usd"})
    assert (response.status_code, response.json()["code"]) == (422, "unknown_currency")


async def test_merchants_are_listed_newest_first_page_by_page(api: httpx.AsyncClient) -> None:
    marker = unique("list")
    names = [f"{marker}-{i}" for i in range(7)]
    for name in names:
        await api.post("/merchants", json={"merchant_name": name})
    seen: list[str] = []
    cursor = None
    while True:
        params = {"cursor": cursor} if cursor else {"search": marker.upper(), "limit": 3}
        page = (await api.get("/merchants", params=params | {"limit": 3})).json()
        seen += [item["merchant_name"] for item in page["items"]]
        await api.post("/merchants", json={"merchant_name": unique(marker)})
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == names[::-1]


async def test_a_search_takes_its_text_as_it_is(api: httpx.AsyncClient) -> None:
    name = await merchant(api)
    assert (await api.get("/merchants", params={"search": name[1:-1]})).json()["items"][0]["merchant_name"] == name
    assert (await api.get("/merchants", params={"search": "%"})).json()["items"] == []


@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "1.5", "", "٣"])
async def test_a_page_has_1_to_200_items(api: httpx.AsyncClient, limit: str) -> None:
    for path in ("/merchants", "/transfers", "/holds"):
        response = await api.get(path, params={"limit": limit})
        assert (response.status_code, response.json()["code"]) == (422, "validation_error")


async def test_an_account_is_known_by_its_wallet_only(api: httpx.AsyncClient) -> None:
    source, target = await merchant(api, "10"), await merchant(api)
    made = (await transfer(api, source, target, 100)).json()["id"]
    entries = (await api.get(f"/transfers/{made}")).json()["entries"]
    fees = next(entry["account_id"] for entry in entries if entry["account_kind"] == "fees")
    assert (await api.get(f"/accounts/{await wallet(api, source)}")).status_code == 200
    for unknown in (fees, "no-uuid", "01a1fc35-d5a5-775d-b78f-46dff00cbdd2"):
        response = await api.get(f"/accounts/{unknown}")
        assert (response.status_code, response.json()["code"]) == (404, "account_not_found")


# --- what people call them, and where their receipts go -----------------------------------------------------------------------

READABLE = ["Mira's Bücher & Söhne", "山田商店", "متجر ليلى", "𝒦 \U0001f4da", "x", "é" * 200, "  two blanks before", "a\u200db"]
UNREADABLE: list[object] = ["", "   ", "x" * 201, "a\nb", "\x00", "tab\t", "\u2028", "\x9f", 5, ["x"], True]
MAIL = ["a@b.example", "receipts+eur@shop.co.uk"]
NO_MAIL: list[object] = [
    "",
    "a",
    "a@",
    "@b.example",
    "a b@c.example",
    "a@b.example\nBcc: x@y.example",
    "x" * 250 + "@b.example",
    5,
    "\x00@b.example",
]


@pytest.mark.parametrize("shown", READABLE)
async def test_a_display_name_is_in_any_script_and_shown_as_it_was_sent(api: httpx.AsyncClient, shown: str) -> None:
    name = await merchant(api, display_name=shown)
    assert (await api.get(f"/merchants/{name}")).json()["display_name"] == shown
    other = await merchant(api)
    changed = await api.patch(f"/merchants/{other}", json={"display_name": shown})
    assert (changed.json()["display_name"], changed.json()["merchant_name"]) == (shown, other)
    assert (await api.get("/merchants", params={"search": other})).json()["items"][0]["display_name"] == shown


@pytest.mark.parametrize(
    ("member", "value"), [*(("display_name", value) for value in UNREADABLE), *(("receipt_email", value) for value in NO_MAIL)]
)
async def test_what_is_no_name_for_people_and_no_address_is_refused(api: httpx.AsyncClient, member: str, value: object) -> None:
    name = await merchant(api, display_name="as it was", receipt_email=MAIL[0])
    for response in (
        await api.post("/merchants", json={"merchant_name": unique(), member: value}),
        await api.patch(f"/merchants/{name}", json={member: value}),
    ):
        assert (response.status_code, response.json()["errors"][0]["field"]) == (422, member)
    shown = (await api.get(f"/merchants/{name}")).json()
    assert (shown["display_name"], shown["receipt_email"]) == ("as it was", MAIL[0])


async def test_a_change_leaves_alone_what_it_does_not_name_and_null_takes_away(api: httpx.AsyncClient) -> None:
    name = await merchant(api, display_name="Mira", receipt_email=MAIL[0], metadata={"a": 1, "b": 2})
    path = f"/merchants/{name.upper()}"
    before = (await api.get(path)).json()
    assert (await api.patch(path, json={})).json() == before
    assert (await api.patch(path, json={"receipt_email": MAIL[1]})).json() == before | {"receipt_email": MAIL[1]}
    assert (await api.patch(path, json={"metadata": {"c": 3}})).json() == before | {"receipt_email": MAIL[1], "metadata": {"c": 3}}
    taken = await api.patch(path, json={"receipt_email": None, "display_name": None, "metadata": {}})
    assert (taken.status_code, taken.json()) == (200, before | {"receipt_email": None, "display_name": None, "metadata": {}})
    for wrong in ({"metadata": None}, {"merchant_name": "x"}, {"status": "closed"}, {"currency": "USD"}):
        assert (await api.patch(path, json=wrong)).status_code == 422
    assert (await api.patch("/merchants/nobody-here", json={})).json()["code"] == "merchant_not_found"
    assert (await api.get(path)).json() == taken.json()
