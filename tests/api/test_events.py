"""``/events``: everything that happened, in order, with what it is about as it was; nothing missed, nothing put in behind."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import pytest
from django.db import connection, transaction

from events.domain.types import parse_types
from events.selectors.feed import FeedRequest, read_feed_now
from events.serializers.feed import event_texts
from fees.models import FeeSchedule
from fees.services import append_schedule
from ledger_project.database.fields import new_id
from ledger_project.database.readers import in_reader
from ledger_project.kernel.actors import ANONYMOUS, Actor
from ledger_project.kernel.happenings import EventType, Happening, record_with, tell
from ledger_project.kernel.ids import last_uuid7_at
from merchants.selectors import identify
from people.access.authentication import forget_credentials
from tests.api.test_authorization import bearer, new_key
from tests.support.factories import key, merchant, transfer, unique, wallet
from tests.support.service_role import owner_connection
from transfers.models import Event
from transfers.services.events import record_event

Json = dict[str, Any]

PATIENCE_S = 60
"""How long the feed may take to settle on a busy machine."""


async def now_on(api: httpx.AsyncClient) -> str:
    """Return the cursor after all that has happened."""
    done = datetime.now(UTC)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            page = await feed(api, after="latest")
            if datetime.fromisoformat(page["settled_until"]) > done:
                after: str = page["next_after"]
                return after
            await asyncio.sleep(0.02)


async def feed(api: httpx.AsyncClient, headers: dict[str, str] | None = None, **query: Any) -> Json:
    response = await api.get("/events", params=query, headers=headers or {})
    assert response.status_code == 200, response.text
    page: Json = response.json()
    return page


class Story(NamedTuple):
    """What has happened between two merchants: the cursors before and after it, and the types of its events."""

    after: str
    payer: str
    payee: str
    happened: list[str]
    end: str


@pytest.fixture(scope="module")
async def story(api: httpx.AsyncClient) -> Story:
    """Something of every kind, for all tests that only read. It is settled."""
    return Story(*await everything(api), await now_on(api))


async def read_story(api: httpx.AsyncClient, story: Story, **query: Any) -> list[str]:
    """Return the types of the events of the story's time, page by page."""
    after, found = story.after, list[Json]()
    while after < story.end:
        page = await feed(api, after=after, **query)
        found += [item for item in page["items"] if item["id"] <= story.end]
        after = page["next_after"]
    return types([item for item in found if any(f'"{name}"' in json.dumps(item["data"]) for name in (story.payer, story.payee))])


async def read_all(api: httpx.AsyncClient, after: str, *, about: Sequence[str] = (), until: str | None = None, **query: Any) -> list[Json]:
    """Read on until everything that had happened before this call is read; return what is about these merchants, or all of it.

    Holds of other tests expire meanwhile, and mails are sent.
    """
    items = await _read_all(api, after, until=until, **query)
    return [item for item in items if not about or any(f'"{name}"' in json.dumps(item["data"]) for name in about)]


async def _read_all(api: httpx.AsyncClient, after: str, *, until: str | None, **query: Any) -> list[Json]:
    done = datetime.now(UTC)
    found: list[Json] = []
    async with asyncio.timeout(PATIENCE_S):
        while True:
            page = await feed(api, after=after, **query)
            found += page["items"]
            after = page["next_after"]
            if not page["items"] and datetime.fromisoformat(page["settled_until"]) > done:
                return found
            if until is not None and any(item["id"] == until for item in found):
                return found
            if not page["items"]:
                await asyncio.sleep(0.02)


def types(items: list[Json]) -> list[str]:
    return [item["type"] for item in items]


async def post(api: httpx.AsyncClient, path: str, **body: Any) -> Json:
    response = await api.post(path, json=body, headers=key())
    assert response.status_code < 300, response.text
    made: Json = response.json()
    return made


async def everything(api: httpx.AsyncClient) -> tuple[str, str, str, list[str]]:
    """Have something of every kind happen between two merchants; return where it began, who they are, and the types."""
    after = await now_on(api)
    payer, payee = await merchant(api, "1000.00", metadata={"n": 1.5}), await merchant(api)
    account = await wallet(api, payer)
    moved = (await transfer(api, payer, payee, 1000, memo='a "memo"', external_reference="r-1")).json()
    await post(api, f"/accounts/{account}/deposit", amount="5.00")
    await post(api, f"/accounts/{account}/withdraw", amount="2.00")
    await post(api, f"/transfers/{moved['id']}/reverse", amount="1.00")
    hold = {"from_merchant": payer, "to_merchant": payee, "currency": "USD", "amount": "3.00"}
    captured, voided = (await post(api, "/holds", **hold))["id"], (await post(api, "/holds", **hold))["id"]
    await post(api, f"/holds/{captured}/capture", amount="2.00")
    await post(api, f"/holds/{voided}/void")
    await post(api, f"/merchants/{payee}/accounts", currency="EUR")
    await api.patch(f"/merchants/{payer}", json={"display_name": "The Payer"})
    await post(api, f"/accounts/{account}/overdraft", overdraft_limit="50.00", reason="as ordered")
    await post(api, f"/accounts/{account}/freeze", reason="as ordered")
    await post(api, f"/accounts/{account}/unfreeze", reason="as ordered")
    await post(api, f"/merchants/{payer}/freeze", reason="as ordered")
    await post(api, f"/merchants/{payer}/unfreeze", reason="as ordered")
    happened = [
        "merchant.created", "account.opened", "opening.posted", "merchant.created", "account.opened", "transfer.posted", "deposit.posted",
        "withdrawal.posted", "reversal.posted", "hold.placed", "hold.placed", "hold.captured", "hold.voided", "account.opened",
        "merchant.updated", "account.overdraft_changed", "account.frozen", "account.unfrozen", "merchant.frozen", "merchant.unfrozen",
    ]  # fmt: skip
    return after, payer, payee, happened


async def test_everything_is_in_the_feed_in_its_order(api: httpx.AsyncClient) -> None:
    after, payer, payee, happened = await everything(api)
    items = await read_all(api, after, about=(payer, payee))
    assert types(items) == happened
    assert [item["id"] for item in items] == sorted(item["id"] for item in items)
    assert [item["created_at"] for item in items] == sorted(item["created_at"] for item in items)
    for whose in (payer, payee):
        assert set(types(await read_all(api, after, merchant=whose))) <= set(happened)


async def test_a_transfers_event_shows_what_its_own_get_shows(api: httpx.AsyncClient) -> None:
    after, payer, payee, _ = await everything(api)
    shown = 0
    for item in await read_all(api, after, about=(payer, payee)):
        if "transfer" in item["data"]:
            own = (await api.get(f"/transfers/{item['data']['transfer']['id']}")).json()
            assert item["data"]["transfer"] == own
            assert (item["id"], item["created_at"]) == (own["id"], own["created_at"])
            shown += 1
        assert (await api.get(f"/events/{item['id']}")).json() == item
    assert shown == 9


async def test_a_hold_is_told_as_it_was_at_that_moment(api: httpx.AsyncClient) -> None:
    after, payer, payee, _ = await everything(api)
    items = await read_all(api, after, types="hold.*", about=(payer, payee))
    told = [(item["type"], item["data"]["hold"]["status"], item["data"]["hold"]["captured"]) for item in items]
    assert told == [
        ("hold.placed", "open", "0.00"),
        ("hold.placed", "open", "0.00"),
        ("hold.captured", "captured", "2.00"),
        ("hold.voided", "voided", "0.00"),
    ]
    assert [item["data"]["hold"]["transfer_id"] for item in items] == [None, None, items[2]["id"], None]
    for item in items[2:]:
        assert item["data"]["hold"] == (await api.get(f"/holds/{item['data']['hold']['id']}")).json()


async def test_merchants_and_accounts_are_told_as_their_own_gets_show_them(api: httpx.AsyncClient) -> None:
    after, payer, _, _ = await everything(api)
    items = {item["type"]: item for item in await read_all(api, after, merchant=payer)}
    own = (await api.get(f"/merchants/{payer}")).json()
    del own["receipt_email"]
    assert items["merchant.unfrozen"]["data"] == {"merchant": own}
    assert items["merchant.frozen"]["data"]["merchant"] == own | {"status": "frozen"}
    assert items["merchant.updated"]["data"]["merchant"]["display_name"] == "The Payer"
    created = items["merchant.created"]["data"]["merchant"]
    assert created == own | {"display_name": None, "balances": []}
    account = (await api.get(f"/accounts/{await wallet(api, payer)}")).json()
    assert items["account.unfrozen"]["data"] == {"account": account}
    assert items["account.frozen"]["data"]["account"] == account | {"status": "frozen"}
    opened = items["account.opened"]["data"]["account"]
    assert (opened["balance_minor"], opened["overdraft_limit"], opened["created_at"]) == (0, "0.00", account["created_at"])


async def test_an_event_does_not_tell_a_mail_address(api: httpx.AsyncClient) -> None:
    after = await now_on(api)
    name = await merchant(api, receipt_email="mira@shop.example")
    await api.patch(f"/merchants/{name}", json={"receipt_email": "owner@shop.example"})
    items = await read_all(api, after, types="merchant.*", about=(name,))
    assert types(items) == ["merchant.created", "merchant.updated"]
    assert "shop.example" not in json.dumps(items)


async def test_a_change_that_changes_nothing_is_no_event(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "1.00", metadata={"a": 1})
    account = await wallet(api, name)
    after = await now_on(api)
    await api.patch(f"/merchants/{name}", json={"metadata": {"a": 1}, "display_name": None})
    await post(api, f"/accounts/{account}/unfreeze", reason="as ordered")
    await post(api, f"/merchants/{name}/unfreeze", reason="as ordered")
    await post(api, f"/accounts/{account}/overdraft", overdraft_limit="0.00", reason="as ordered")
    assert await read_all(api, after, about=(name,)) == []
    await api.patch(f"/merchants/{name}", json={"metadata": {"a": True}})
    assert types(await read_all(api, after, about=(name,))) == ["merchant.updated"]


async def test_a_hold_that_expires_is_told(api: httpx.AsyncClient) -> None:
    payer, payee = await merchant(api, "10.00"), await merchant(api, "0.00")
    after = await now_on(api)
    body = {"from_merchant": payer, "to_merchant": payee, "currency": "USD", "amount": "1.00", "expires_in": 1}
    hold = await post(api, "/holds", **body)
    for _ in range(600):
        items = await read_all(api, after, types="hold.expired,hold.voided", about=(payer, payee))
        if items:
            break
        await asyncio.sleep(0.05)
    assert types(items) == ["hold.expired"]
    assert (items[0]["data"]["hold"]["id"], items[0]["data"]["hold"]["status"]) == (hold["id"], "expired")


async def test_a_fee_schedule_is_told_with_the_twins_of_its_amounts(api: httpx.AsyncClient) -> None:
    name = await merchant(api)
    after = await now_on(api)
    identity = (await identify(names=[name])).merchant(name)
    assert identity is not None
    tiers = [{"up_to_minor": 1000, "rate": "0.02", "flat_minor": 5}, {"up_to_minor": None}]
    for extra in ({"currency_id": "USD", "tiers": tiers, "tier_mode": "volume", "minimum_minor": 1}, {"rate": Decimal("0.015")}):
        draft = FeeSchedule(merchant_id=identity.id, effective_from=datetime.now(UTC), note="a secret reason", **extra)
        await in_reader(append_schedule, draft, by=None)
    first, second = await read_all(api, after, types="fee_schedule.appended", about=(name,))
    schedule = first["data"]["fee_schedule"]
    assert (schedule["merchant_name"], schedule["currency"], schedule["minimum"], schedule["minimum_minor"]) == (name, "USD", "0.01", 1)
    assert schedule["tiers"][0] == {"up_to": "10.00", "up_to_minor": 1000, "rate": "0.02", "flat": "0.05", "flat_minor": 5}
    assert schedule["tiers"][1] == {"up_to": None, "up_to_minor": None, "rate": "0", "flat": "0.00", "flat_minor": 0}
    assert (second["data"]["fee_schedule"]["currency"], second["data"]["fee_schedule"]["rate"]) == (None, "0.015")
    assert "secret" not in str(first)


# --- reading on ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 3, 7])
async def test_pages_of_any_size_show_each_event_once(api: httpx.AsyncClient, story: Story, limit: int) -> None:
    assert await read_story(api, story, limit=limit) == story.happened
    own = await read_story(api, story, merchant=story.payer)
    assert await read_story(api, story, merchant=story.payer, limit=limit) == own
    assert own.count("hold.placed") == 2
    account = await wallet(api, story.payer)
    moved = [item for item in await read_all(api, story.after, account_id=account, limit=limit) if "transfer" in item["data"]]
    sequences = [entry["sequence"] for item in moved for entry in item["data"]["transfer"]["entries"] if entry["account_id"] == account]
    assert sequences == list(range(1, len(sequences) + 1))


async def test_a_receivers_holds_are_its_events_too(api: httpx.AsyncClient, story: Story) -> None:
    assert await read_story(api, story, merchant=story.payee) == [
        "merchant.created", "account.opened", "transfer.posted", "reversal.posted", "hold.placed", "hold.placed", "hold.captured",
        "hold.voided", "account.opened",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "names",
    [
        "transfer.posted", "deposit.posted", "hold.captured", "hold.voided", "hold.expired,hold.voided", "hold.*", "merchant.*",
        "transfer.posted,merchant.created", "deposit.posted,withdrawal.posted", "account.opened", "*", "hold.voided,transfer.posted",
        "fees.settled", "exchange.posted,positions.settled",
    ],
)  # fmt: skip
async def test_types_are_filtered_for_all_for_a_merchant_and_for_an_account(api: httpx.AsyncClient, story: Story, names: str) -> None:
    wanted = {type_.value for type_ in parse_types(names)}
    assert await read_story(api, story, types=names, limit=2) == [name for name in story.happened if name in wanted]
    for filters in ({"merchant": story.payer}, {"account_id": await wallet(api, story.payer)}):
        all_of_it = await read_story(api, story, **filters)
        assert set(all_of_it) <= set(story.happened)
        assert await read_story(api, story, **filters, types=names, limit=2) == [name for name in all_of_it if name in wanted]


async def test_a_page_that_is_not_full_goes_on_after_all_that_is_settled_whatever_was_asked(api: httpx.AsyncClient) -> None:
    after, *_ = await everything(api)
    last = (await read_all(api, after))[-1]["id"]
    for query in (
        {"types": "positions.settled"},
        {"merchant": "nobody-here"},
        {"account_id": str(UUID(int=1))},
        {"types": "merchant.created"},
    ):
        assert (await feed(api, after=after, **query))["next_after"] >= last


async def test_from_the_first(api: httpx.AsyncClient) -> None:
    """The very first event there is, by anybody, and the first of a merchant that is older than this test."""
    first = (await feed(api, limit=1))["items"][0]
    with_nil = (await feed(api, limit=1, after=str(UUID(int=0))))["items"][0]
    assert first == with_nil

    def first_id() -> str:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT least((SELECT id FROM transfers_transfer ORDER BY id LIMIT 1), (SELECT id FROM transfers_event ORDER BY id LIMIT 1))"
            )
            return str(cursor.fetchone()[0])

    assert first["id"] == await in_reader(first_id)


async def test_latest_is_what_comes_from_now_on(api: httpx.AsyncClient) -> None:
    payer, payee = await merchant(api, "10.00"), await merchant(api, "0.00")
    after = await now_on(api)
    page = await feed(api, after="latest", limit=5)
    assert page["items"] == []
    assert page["next_after"] >= after
    made = (await transfer(api, payer, payee, 1)).json()["id"]
    assert [item["id"] for item in await read_all(api, page["next_after"], about=(payer,))] == [made]


@pytest.mark.parametrize(
    "after", ["", "x", "LATEST", "1", "0199c0de-0000-7000-8000", "0199c0de000070008000000000000000", "' OR 1", "latest "]
)
async def test_any_other_text_is_no_cursor(api: httpx.AsyncClient, after: str) -> None:
    response = await api.get("/events", params={"after": after})
    assert (response.status_code, response.json()["code"]) == (400, "invalid_cursor"), response.text


async def test_an_event_that_is_not_there_is_no_cursor(api: httpx.AsyncClient) -> None:
    """As after the restore of an old backup: who has read more is told so."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    for after in (str(new_id()), str(last_uuid7_at(tomorrow)), "ffffffff-ffff-ffff-ffff-ffffffffffff"):
        response = await api.get("/events", params={"after": after})
        assert (response.status_code, response.json()["code"]) == (400, "invalid_cursor"), response.text


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"), ({"limit": "1001"}, "limit"), ({"limit": "-1"}, "limit"), ({"limit": "1.0"}, "limit"),
        ({"wait": "31"}, "wait"), ({"wait": "-1"}, "wait"), ({"wait": "0.5"}, "wait"),
        ({"types": "transfer.post"}, "types"), ({"types": ""}, "types"), ({"types": "hold.placed,"}, "types"), ({"types": "nothing.*"}, "types"),
        ({"types": "transfer"}, "types"), ({"account_id": "x"}, "account_id"), ({"cursor": "x"}, "cursor"), ({"from": "x"}, "from"),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_a_query_is_named(api: httpx.AsyncClient, query: dict[str, str], field: str) -> None:
    response = await api.get("/events", params=query)
    assert (response.status_code, response.json()["code"]) == (422, "validation_error"), response.text
    assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_limits_are_from_1_to_1000(api: httpx.AsyncClient) -> None:
    assert len((await feed(api, limit=1))["items"]) == 1
    assert len((await feed(api))["items"]) <= 100
    await feed(api, limit=1000)


async def test_head_is_answered_without_a_body(api: httpx.AsyncClient) -> None:
    response = await api.head("/events", params={"limit": "1"})
    assert (response.status_code, response.content) == (200, b"")


async def test_an_event_that_does_not_exist_is_not_found(api: httpx.AsyncClient) -> None:
    for wanted in (str(new_id()), "x"):
        response = await api.get(f"/events/{wanted}")
        assert (response.status_code, response.json()["code"]) == (404, "event_not_found")


async def test_a_batch_is_in_the_feed_in_the_order_of_its_items(api: httpx.AsyncClient) -> None:
    payer, payee = await merchant(api, "1000.00"), await merchant(api, "0.00")
    after = await now_on(api)
    items = [
        {
            "idempotency_key": unique("item"),
            "from_merchant": payer,
            "to_merchant": payee,
            "currency": "USD",
            "amount_minor": 1,
            "memo": str(n),
        }
        for n in range(1000)
    ]
    await post(api, "/transfers/batch", transfers=items)
    found = await read_all(api, after, limit=400, about=(payer,))
    assert [item["data"]["transfer"]["memo"] for item in found] == [str(n) for n in range(1000)]


# --- waiting ------------------------------------------------------------------------------------------------------------------


async def test_a_caller_that_waits_is_answered_as_soon_as_there_is_an_event(api: httpx.AsyncClient) -> None:
    payer, payee = await merchant(api, "10.00"), await merchant(api, "0.00")
    after = await now_on(api)
    waiting = asyncio.create_task(feed(api, after=after, wait=20, merchant=payer))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    begun = time.monotonic()
    made = (await transfer(api, payer, payee, 1)).json()["id"]
    page = await waiting
    assert [item["id"] for item in page["items"]] == [made]
    assert time.monotonic() - begun < 15  # of the 20 s that it would wait


async def test_a_wait_ends_at_its_time_with_nothing(api: httpx.AsyncClient) -> None:
    after = await now_on(api)
    begun = time.monotonic()
    page = await feed(api, after=after, wait=1, types="positions.settled")
    assert page["items"] == []
    assert page["next_after"] >= after
    assert 0.9 <= time.monotonic() - begun < 20


async def test_who_waits_for_something_else_is_not_answered(api: httpx.AsyncClient) -> None:
    payer, payee, other = await merchant(api, "10.00"), await merchant(api), await merchant(api)
    after = await now_on(api)
    waiting = asyncio.create_task(feed(api, after=after, wait=2, merchant=other))
    await transfer(api, payer, payee, 1)
    assert (await waiting)["items"] == []


# --- who sees what --------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def parties(
    api: httpx.AsyncClient, story: Story, settings: Any
) -> AsyncIterator[tuple[str, dict[str, str], dict[str, dict[str, str]]]]:
    other = await merchant(api, "5.00")
    await now_on(api)
    names = {"payer": story.payer, "payee": story.payee, "other": other}
    headers = {who: bearer((await new_key(name)).secret) for who, name in names.items()} | {"platform": bearer((await new_key()).secret)}
    settings.LEDGER_AUTH = "required"
    forget_credentials()
    yield story.after, names, headers
    forget_credentials()


Parties = tuple[str, dict[str, str], dict[str, dict[str, str]]]


async def test_a_merchant_sees_its_own_events_with_its_own_entries(api: httpx.AsyncClient, parties: Parties) -> None:
    after, names, headers = parties
    for who in ("payer", "payee"):
        mine = await read_all(api, str(UUID(int=0)), headers=headers[who])
        everybodys = await read_all(api, after, headers=headers["platform"], merchant=names[who])
        assert [item["id"] for item in mine] == [item["id"] for item in everybodys]
        for item, full in zip(mine, everybodys, strict=True):
            assert (await api.get(f"/events/{item['id']}", headers=headers[who])).json() == item
            if "transfer" not in item["data"]:
                assert item == full
                continue
            own = await api.get(f"/transfers/{item['id']}", headers=headers[who])
            if own.status_code == 200:
                assert item["data"]["transfer"] == own.json()
            else:  # a hold that is for it: its money is the payer's until it ends
                assert item["type"] in {"hold.placed", "hold.voided"}
                assert item["data"]["transfer"]["entries"] == []


async def test_others_events_are_as_if_they_did_not_exist(api: httpx.AsyncClient, parties: Parties) -> None:
    after, names, headers = parties
    theirs = await read_all(api, after, headers=headers["platform"], merchant=names["payer"])
    mine = await read_all(api, str(UUID(int=0)), headers=headers["other"])
    assert types(mine) == ["merchant.created", "account.opened", "opening.posted"]
    settled = (await feed(api, headers=headers["other"]))["next_after"]
    assert settled not in {item["id"] for item in theirs}
    for item in theirs:
        response = await api.get(f"/events/{item['id']}", headers=headers["other"])
        assert (response.status_code, response.json()["code"]) == (404, "event_not_found")
        response = await api.get("/events", params={"after": item["id"]}, headers=headers["other"])
        assert (response.status_code, response.json()["code"]) == (400, "invalid_cursor")
    account = await api.get(f"/merchants/{names['payer']}/balance", headers=headers["platform"])
    for query in ({"merchant": names["payer"]}, {"merchant": "nobody"}, {"account_id": account.json()["balances"][0]["account_id"]}):
        page = await feed(api, headers=headers["other"], **query)
        assert page["items"] == []
    mixed = await feed(api, headers=headers["other"], merchant=names["other"], account_id=account.json()["balances"][0]["account_id"])
    assert mixed["items"] == []


async def test_the_cursor_of_a_merchant_goes_on_and_misses_nothing(api: httpx.AsyncClient, parties: Parties) -> None:
    _, names, headers = parties
    after = (await feed(api, headers=headers["payee"], after="latest"))["next_after"]
    for number in range(5):
        body = {"from_merchant": names["payer"], "to_merchant": names["payee"], "currency": "USD", "amount_minor": 1}
        made = (await api.post("/transfers", json=body, headers={**headers["platform"], **key()})).json()
        items = await read_all(api, after, headers=headers["payee"], until=made["id"])
        assert [item["id"] for item in items] == [made["id"]], number
        after = (await feed(api, headers=headers["payee"], after=made["id"]))["next_after"]


async def test_the_treasury_sees_what_it_refunds(api: httpx.AsyncClient) -> None:
    payer, payee = await merchant(api, "100.00"), await merchant(api)
    made = (await transfer(api, payer, payee, 1000)).json()
    from transfers.services.fee_settlement import settle_fees

    await in_reader(settle_fees)
    after = await now_on(api)
    back = await post(api, f"/transfers/{made['id']}/reverse", refund_fee=True)
    found = await read_all(api, after, account_id=await wallet(api, "treasury"))
    assert [item["id"] for item in found] == [back["id"]]


# --- the writer of events -------------------------------------------------------------------------------------------------------


async def test_an_event_is_there_if_what_it_tells_is_and_not_otherwise(api: httpx.AsyncClient) -> None:
    after = await now_on(api)

    def roll_back() -> None:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            tell(Happening(EventType.RECEIPT_SENT, facts={"receipt": {"number": "1-rolled-back"}}))
            _ = 1 // 0

    await in_reader(roll_back)
    with pytest.raises(Exception, match="in the transaction of what happened"):
        await in_reader(record_event, Happening(EventType.RECEIPT_SENT))
    assert await read_all(api, after, about=("1-rolled-back",)) == []


async def test_facts_of_our_own_making_are_shown_as_they_are(api: httpx.AsyncClient) -> None:
    after = await now_on(api)
    facts = {"receipt": {"number": unique("R"), "transfer_id": str(new_id()), "account_id": None, "more": [1, 2.5, "é"]}}

    def write() -> UUID:
        with transaction.atomic():
            return record_event(Happening(EventType.RECEIPT_SENT, facts=facts))

    event_id = await in_reader(write)
    assert await read_all(api, after, about=(facts["receipt"]["number"],)) == [
        {
            "id": str(event_id),
            "type": "receipt.sent",
            "created_at": (await api.get(f"/events/{event_id}")).json()["created_at"],
            "data": facts,
        }
    ]


def test_nothing_is_lost_in_silence_where_nobody_records() -> None:
    from ledger_project.kernel import happenings

    happenings._recorders.clear()
    try:
        with pytest.raises(LookupError):
            tell(Happening(EventType.RECEIPT_SENT))
    finally:
        record_with(record_event)


async def test_events_of_one_merchant_keep_their_order_where_the_clock_goes_back(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transfers.services import events

    name = await merchant(api, "1.00")
    after = await now_on(api)
    await post(api, f"/merchants/{name}/freeze", reason="as ordered")
    monkeypatch.setattr(events, "EVENT_TIME", events.EVENT_TIME.replace("clock_timestamp()", "clock_timestamp() - interval '3 seconds'"))
    await post(api, f"/merchants/{name}/unfreeze", reason="as ordered")
    monkeypatch.undo()
    assert types(await read_all(api, after, merchant=name)) == ["merchant.frozen", "merchant.unfrozen"]


async def test_an_unreadable_event_holds_up_nobody(api: httpx.AsyncClient) -> None:
    """The owner of the tables can store NaN. Lists leave such a row out, and reconciliation names it."""
    payer, payee = await merchant(api, "10.00"), await merchant(api, "0.00")
    after = await now_on(api)
    bad, good = [(await transfer(api, payer, payee, 1)).json()["id"] for _ in range(2)]

    original = (await api.get(f"/transfers/{bad}")).json()["fee_minor"]
    with owner_connection() as raw:
        (definition,) = raw.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'transfer_amounts_bounded'"
        ).fetchall()[0]
        raw.execute("SET LOCAL session_replication_role = replica")
        raw.execute("ALTER TABLE transfers_transfer DROP CONSTRAINT transfer_amounts_bounded")
        raw.execute("UPDATE transfers_transfer SET fee_minor = 'NaN' WHERE id = %s", [bad])
        raw.commit()
        try:
            assert [item["id"] for item in await read_all(api, after, limit=1, about=(payer,))] == [good]
        finally:
            raw.execute("SET LOCAL session_replication_role = replica")
            raw.execute("UPDATE transfers_transfer SET fee_minor = %s WHERE id = %s", [original, bad])
            raw.execute(f"ALTER TABLE transfers_transfer ADD CONSTRAINT transfer_amounts_bounded {definition}")
    assert [item["id"] for item in await read_all(api, after, limit=1, about=(payer,))] == [bad, good]
    assert await in_reader(Event.objects.count) > 0


async def test_who_reads_in_the_background_sees_the_same(api: httpx.AsyncClient) -> None:
    after, payer, *_ = await everything(api)
    await now_on(api)
    identity = (await identify(names=[payer])).merchant(payer)
    assert identity is not None

    def read(viewer: Actor) -> tuple[list[str], str]:
        with transaction.atomic():
            page = read_feed_now(FeedRequest(viewer, UUID(after), limit=1000))
            return event_texts(page), str(page.next_after)

    for viewer, query in ((ANONYMOUS, {}), (Actor("key:x", identity.id), {"merchant": payer})):
        texts, next_after = await in_reader(read, viewer)
        shown = await feed(api, after=after, limit=1000, **query)
        assert [json.loads(text)["id"] for text in texts] == [item["id"] for item in shown["items"]]
        assert texts
        assert viewer.merchant_id is not None or next_after == shown["next_after"]
