"""Holds over HTTP: money put aside with its fee, paid out once, or given back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from fees.models import FeeSchedule
from ledger_project.database.readers import in_reader
from merchants.models import Account, Merchant
from tests.support.factories import balance_minor, key, merchant, transfer, unique, wallet
from tests.support.service_role import owner_connection
from transfers.upkeep import periodic

UNKNOWN = "01a1fc35-d5a5-775d-b78f-46dff00cbdd2"


async def place(api: httpx.AsyncClient, source: str, target: str, amount: str = "10.00", **extra: Any) -> httpx.Response:
    body = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount": amount} | extra
    return await api.post("/holds", json=body, headers=key())


async def placed(api: httpx.AsyncClient, balance: str = "100", amount: str = "10.00", **extra: Any) -> tuple[str, str, dict[str, Any]]:
    """Return payer, receiver and an open hold."""
    source, target = await merchant(api, balance), await merchant(api)
    response = await place(api, source, target, amount, **extra)
    assert response.status_code == 201, response.text
    return source, target, response.json()


async def end(api: httpx.AsyncClient, hold: dict[str, Any], how: str, **body: object) -> httpx.Response:
    return await api.post(f"/holds/{hold['id']}/{how}", json=body, headers=key())


async def figures(api: httpx.AsyncClient, name: str) -> tuple[int, int, int]:
    """What a merchant can spend, what is held, and both together."""
    available, held, balance = [await balance_minor(api, name, member=f"{m}_minor") for m in ("available", "held", "balance")]
    return available, held, balance


async def shown(api: httpx.AsyncClient, hold: dict[str, Any]) -> dict[str, Any]:
    response = await api.get(f"/holds/{hold['id']}")
    assert response.status_code == 200
    body: dict[str, Any] = response.json()
    return body


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def lapse(hold: dict[str, Any]) -> None:
    """Let a hold's time have run out a second ago: what the database refuses to everybody, so its guard is off for this moment."""
    with owner_connection() as raw:
        raw.execute("ALTER TABLE transfers_hold DISABLE TRIGGER hold_terms")
        raw.execute("UPDATE transfers_hold SET expires_at = clock_timestamp() - interval '1 second' WHERE id = %s", [hold["id"]])
        raw.execute("ALTER TABLE transfers_hold ENABLE TRIGGER hold_terms")


def charge(name: str, **terms: Any) -> None:
    """Give a merchant a fee schedule of its own in USD."""
    newest = FeeSchedule.objects.filter(merchant__name=name, currency_id="USD", kind=None).order_by("-version").first()
    merchant_ = Merchant.objects.get(name=name)
    values: dict[str, Any] = {"rate": Decimal(0), "effective_from": datetime.now(UTC), "note": "test"} | terms
    FeeSchedule.objects.create(merchant=merchant_, currency_id="USD", version=newest.version + 1 if newest else 1, **values)


# --- placing ----------------------------------------------------------------------------------------------------------------


async def test_a_hold_moves_the_amount_and_the_fee_of_its_capture(api: httpx.AsyncClient) -> None:
    source, target, hold = await placed(api, memo="room 7", metadata={"b": 1, "a": [2]})
    assert list(hold) == [
        "id", "status", "from_merchant", "to_merchant", "currency", "amount", "amount_minor", "reserved", "reserved_minor", "captured",
        "captured_minor", "expires_at", "transfer_id", "memo", "metadata", "created_at",
    ]  # fmt: skip
    assert (hold["status"], hold["from_merchant"], hold["to_merchant"], hold["currency"]) == ("open", source, target, "USD")
    assert (hold["amount"], hold["reserved"], hold["captured"], hold["transfer_id"]) == ("10.00", "10.10", "0.00", None)
    assert (hold["memo"], hold["metadata"]) == ("room 7", {"b": 1, "a": [2]})
    assert await figures(api, source) == (8990, 1010, 10_000)
    assert await shown(api, hold) == hold


async def test_a_hold_lives_seven_days_unless_told_otherwise(api: httpx.AsyncClient) -> None:
    for extra, seconds in [({}, 604_800), ({"expires_in": 1}, 1), ({"expires_in": 31_536_000}, 31_536_000)]:
        _, _, hold = await placed(api, **extra)
        lives = datetime.fromisoformat(hold["expires_at"]) - datetime.fromisoformat(hold["created_at"])
        assert lives == timedelta(seconds=seconds)


@pytest.mark.parametrize("expires_in", [0, -1, 31_536_001, "60", 1.5, True, None])
async def test_a_hold_lives_a_second_at_least_and_a_year_at_most(api: httpx.AsyncClient, expires_in: object) -> None:
    response = await place(api, await merchant(api, "100"), await merchant(api), expires_in=expires_in)
    assert code(response) == (422, "validation_error")
    assert response.json()["errors"][0]["field"] == "expires_in"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"from_merchant": "nobody-here"}, (404, "merchant_not_found")),
        ({"to_merchant": "nobody-here"}, (404, "merchant_not_found")),
        ({"currency": "usd"}, (422, "unknown_currency")),
        ({"amount": "0"}, (422, "validation_error")),
        ({"amount": "1.001"}, (422, "validation_error")),
        ({"amount_minor": 5}, (422, "validation_error")),
        ({"external_reference": "x"}, (422, "validation_error")),
        ({"memo": "x" * 501}, (422, "validation_error")),
        ({"metadata": []}, (422, "validation_error")),
    ],
)
async def test_what_is_wrong_has_its_code(api: httpx.AsyncClient, changes: dict[str, Any], expected: tuple[int, str]) -> None:
    source = await merchant(api, "100")
    assert code(await place(api, source, await merchant(api), **changes)) == expected
    assert await figures(api, source) == (10_000, 0, 10_000)


async def test_nobody_holds_money_for_themselves(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "100")
    assert code(await place(api, name, name.upper())) == (422, "same_account")


async def test_the_fee_must_be_there_too_and_the_answer_says_so(api: httpx.AsyncClient) -> None:
    source, target = await merchant(api, "10.09"), await merchant(api)
    response = await place(api, source, target)
    assert code(response) == (409, "insufficient_funds")
    assert (response.json()["available"], response.json()["required"]) == ("10.09", "10.10")
    await api.post(f"/accounts/{await wallet(api, source)}/deposit", json={"amount": "0.01"}, headers=key())
    assert (await place(api, source, target)).status_code == 201
    assert await figures(api, source) == (0, 1010, 1010)


async def test_what_is_held_can_be_neither_sent_nor_held_again(api: httpx.AsyncClient) -> None:
    source, target, _ = await placed(api, balance="20")
    assert code(await place(api, source, target)) == (409, "insufficient_funds")
    assert code(await transfer(api, source, target, 1000)) == (409, "insufficient_funds")
    assert (await transfer(api, source, target, 900)).status_code == 201


@pytest.mark.parametrize("status", ["frozen", "closed"])
@pytest.mark.parametrize("side", ["source", "target"])
async def test_no_hold_is_placed_or_captured_where_money_may_not_move(api: httpx.AsyncClient, side: str, status: str) -> None:
    source, target, hold = await placed(api)
    rows = Merchant.objects.filter(name=source if side == "source" else target)
    await in_reader(rows.update, status=status)
    assert code(await place(api, source, target)) == (409, f"account_{status}")
    assert code(await end(api, hold, "capture")) == (409, f"account_{status}")
    await in_reader(rows.update, status="active")
    assert (await end(api, hold, "capture")).status_code == 201


async def test_a_hold_for_somebody_without_an_account_opens_it_when_captured(api: httpx.AsyncClient) -> None:
    _, target, hold = await placed(api)
    assert (await api.get(f"/merchants/{target}")).json()["balances"] == []
    await end(api, hold, "capture")
    assert await balance_minor(api, target) == 1000


# --- capturing --------------------------------------------------------------------------------------------------------------


async def test_a_capture_is_a_transfer_of_its_kind(api: httpx.AsyncClient) -> None:
    source, target, hold = await placed(api, memo="m", metadata={"a": 1})
    response = await end(api, hold, "capture")
    assert response.status_code == 201
    made = response.json()
    assert (made["kind"], made["from_merchant"], made["to_merchant"], made["amount"]) == ("capture", source, target, "10.00")
    assert (made["fee"], made["total_debit"], made["fee_schedule"]["version"], made["reverses"]) == ("0.10", "10.10", 1, None)
    full = (await api.get(f"/transfers/{made['id']}")).json()
    entries = sorted(
        (e["account_kind"], e["direction"], e["type"], e["amount_minor"], e["balance_after_minor"]) for e in full.pop("entries")
    )
    assert full == made
    assert entries == [
        ("fees", "CREDIT", "fee", 10, 10),
        ("held", "DEBIT", "capture", 1000, 10),
        ("held", "DEBIT", "fee", 10, 0),
        ("wallet", "CREDIT", "capture", 1000, 1000),
    ]
    after = await shown(api, hold)
    assert after == hold | {"status": "captured", "captured": "10.00", "captured_minor": 1000, "transfer_id": made["id"]}
    assert (await figures(api, source), await figures(api, target)) == ((8990, 0, 8990), (1000, 0, 1000))


async def test_what_a_partial_capture_leaves_is_released(api: httpx.AsyncClient) -> None:
    source, target, hold = await placed(api)
    made = (await end(api, hold, "capture", amount="4.00")).json()
    assert (made["amount"], made["fee"], made["total_debit"]) == ("4.00", "0.04", "4.04")
    after = await shown(api, hold)
    assert (after["status"], after["amount"], after["reserved"], after["captured"]) == ("captured", "10.00", "10.10", "4.00")
    assert (await figures(api, source), await figures(api, target)) == ((9596, 0, 9596), (400, 0, 400))


async def test_a_hold_is_captured_once_even_in_part(api: httpx.AsyncClient) -> None:
    _, target, hold = await placed(api)
    await end(api, hold, "capture", amount="4.00")
    again = await end(api, hold, "capture", amount="4.00")
    assert code(again) == (409, "hold_not_open")
    assert again.json()["hold_status"] == "captured"
    assert code(await end(api, hold, "void")) == (409, "hold_not_open")
    assert await balance_minor(api, target) == 400


async def test_more_than_was_held_is_refused_and_the_hold_stays_open(api: httpx.AsyncClient) -> None:
    source, _, hold = await placed(api)
    response = await end(api, hold, "capture", amount="10.01")
    assert code(response) == (409, "capture_exceeds_hold")
    assert (response.json()["held"], response.json()["requested_minor"]) == ("10.00", 1001)
    assert await figures(api, source) == (8990, 1010, 10_000)
    assert (await end(api, hold, "capture")).status_code == 201


INVALID_CAPTURES: list[dict[str, object]] = [{"amount": "0"}, {"amount": "1", "amount_minor": 100}, {"amount": 1}, {"memo": 5}]


@pytest.mark.parametrize("body", [*INVALID_CAPTURES, {"amount": "1.001"}])
async def test_an_invalid_capture_is_refused(api: httpx.AsyncClient, body: dict[str, object]) -> None:
    _, _, hold = await placed(api)
    assert code(await end(api, hold, "capture", **body)) == (422, "validation_error")


@pytest.mark.parametrize("body", INVALID_CAPTURES)
async def test_validation_comes_before_existence(api: httpx.AsyncClient, body: dict[str, object]) -> None:
    assert code(await end(api, {"id": UNKNOWN}, "capture", **body)) == (422, "validation_error")


async def test_a_capture_never_fails_for_funds_whatever_was_spent_meanwhile(api: httpx.AsyncClient) -> None:
    source, target, hold = await placed(api)
    assert (await api.post(f"/accounts/{await wallet(api, source)}/withdraw", json={"amount": "89.90"}, headers=key())).status_code == 200
    assert (await end(api, hold, "capture")).status_code == 201
    assert (await figures(api, source), await figures(api, target)) == ((0, 0, 0), (1000, 0, 1000))


async def test_the_fee_is_by_the_version_that_was_pinned(api: httpx.AsyncClient) -> None:
    source, target, hold = await placed(api)
    await in_reader(charge, source, flat_minor=300)
    assert (await place(api, source, target, "1.00")).json()["reserved"] == "4.00"
    made = (await end(api, hold, "capture", amount="5.00")).json()
    assert (made["fee"], made["fee_schedule"]["version"], made["fee_schedule"]["id"]) == ("0.05", 1, made["fee_schedule"]["id"])
    assert await balance_minor(api, target) == 500


async def test_a_receiver_who_pays_the_fee_gets_the_rest(api: httpx.AsyncClient) -> None:
    source, target = await merchant(api, "10"), await merchant(api)
    await in_reader(charge, source, rate=Decimal("0.05"), payer="receiver")
    hold = (await place(api, source, target)).json()
    assert hold["reserved"] == hold["amount"] == "10.00"
    made = (await end(api, hold, "capture")).json()
    assert (made["fee"], made["total_debit"]) == ("0.50", "10.00")
    assert await balance_minor(api, target) == 950


async def test_a_smaller_amount_that_costs_more_takes_the_rest_from_what_is_available(api: httpx.AsyncClient) -> None:
    source, target = await merchant(api, "10.39"), await merchant(api)
    tiers = [{"up_to_minor": 999, "flat_minor": 50}, {"up_to_minor": None, "flat_minor": 0}]
    await in_reader(charge, source, tier_mode="volume", tiers=tiers)
    hold = (await place(api, source, target)).json()
    assert (hold["reserved"], await figures(api, source)) == ("10.00", (39, 1000, 1039))
    short = await end(api, hold, "capture", amount="9.90")
    assert code(short) == (409, "insufficient_funds")
    assert (short.json()["available_minor"], short.json()["required_minor"], short.json()["fee_minor"]) == (39, 40, 40)
    assert (await shown(api, hold))["status"] == "open"
    await api.post(f"/accounts/{await wallet(api, source)}/deposit", json={"amount": "0.01"}, headers=key())
    made = (await end(api, hold, "capture", amount="9.90")).json()
    assert (made["fee"], made["total_debit"]) == ("0.50", "10.40")
    assert (await figures(api, source), await figures(api, target)) == ((0, 0, 0), (990, 0, 990))


# --- voiding and expiry -----------------------------------------------------------------------------------------------------


async def test_a_void_gives_all_back(api: httpx.AsyncClient) -> None:
    source, target, hold = await placed(api)
    response = await end(api, hold, "void")
    assert response.status_code == 200
    assert response.json() == hold | {"status": "voided"} == await shown(api, hold)
    assert (await figures(api, source), await figures(api, target)) == ((10_000, 0, 10_000), (0, 0, 0))
    for how in ("void", "capture"):
        again = await end(api, hold, how)
        assert (*code(again), again.json()["hold_status"]) == (409, "hold_not_open", "voided")


async def test_a_void_takes_no_body_or_an_empty_one(api: httpx.AsyncClient) -> None:
    _, _, hold = await placed(api)
    assert code(await end(api, hold, "void", amount="1")) == (422, "validation_error")
    assert (await api.post(f"/holds/{hold['id']}/void", headers=key())).status_code == 200


async def test_a_frozen_payer_can_still_get_its_own_money_back(api: httpx.AsyncClient) -> None:
    source, _, hold = await placed(api)
    await in_reader(Account.objects.filter(merchant__name=source).update, status="frozen")
    assert (await end(api, hold, "void")).status_code == 200
    assert await figures(api, source) == (10_000, 0, 10_000)


@pytest.mark.parametrize("how", ["capture", "void"])
async def test_a_lapsed_hold_is_expired_whether_or_not_the_sweep_has_met_it(api: httpx.AsyncClient, how: str) -> None:
    source, target, hold = await placed(api)
    await in_reader(lapse, hold)
    assert (await shown(api, hold))["status"] == "expired"
    assert code(await end(api, hold, how)) == (409, "hold_expired")
    await _until_returned(api, source)
    assert code(await end(api, hold, how)) == (409, "hold_expired")
    after = await shown(api, hold)
    assert (after["status"], after["captured"], after["transfer_id"]) == ("expired", "0.00", None)
    assert await figures(api, target) == (0, 0, 0)


async def _until_returned(api: httpx.AsyncClient, name: str) -> None:
    """Wait for the service's own loop to give the money back."""
    async with asyncio.timeout(60):
        while await figures(api, name) != (10_000, 0, 10_000):
            await asyncio.sleep(0.1)


async def test_a_hold_of_one_second_is_back_within_five_more(api: httpx.AsyncClient) -> None:
    source, _, hold = await placed(api, expires_in=1)
    await _until_returned(api, source)
    # A busy machine may be late. The rounds of the loop, each a fifth longer than it should be, leave half of the time.
    (every_s,) = [work.every_s for work in periodic.SERVING if work.name == "holds"]
    assert every_s * 1.2 <= 2.5
    assert (await shown(api, hold))["status"] == "expired"
    lines = (await api.get(f"/accounts/{await wallet(api, source)}/statement")).json()["items"]
    assert [(line["direction"], line["type"], line["amount_minor"]) for line in lines[:2]] == [
        ("CREDIT", "hold_release", 1010),
        ("DEBIT", "hold", 1010),
    ]
    assert datetime.fromisoformat(lines[0]["created_at"]) >= datetime.fromisoformat(hold["expires_at"])


@pytest.mark.parametrize("hold_id", [UNKNOWN, "x", unique(), "%00"])
async def test_an_unknown_hold_is_not_found(api: httpx.AsyncClient, hold_id: str) -> None:
    assert code(await api.get(f"/holds/{hold_id}")) == (404, "hold_not_found")
    for how in ("capture", "void"):
        assert code(await api.post(f"/holds/{hold_id}/{how}", headers=key())) == (404, "hold_not_found")


# --- lists ------------------------------------------------------------------------------------------------------------------


async def test_holds_are_listed_by_merchant_and_status_newest_first(api: httpx.AsyncClient) -> None:
    source, target = await merchant(api, "1000"), await merchant(api)
    holds = [(await place(api, source, target)).json() for _ in range(6)]
    await end(api, holds[0], "capture")
    await end(api, holds[1], "void")
    await in_reader(lapse, holds[2])

    async def ids(**params: str) -> list[str]:
        response = await api.get("/holds", params=params)
        assert response.status_code == 200
        return [item["id"] for item in response.json()["items"]]

    newest_first = [hold["id"] for hold in reversed(holds)]
    assert await ids(merchant=source) == await ids(merchant=target) == await ids(merchant=source.upper()) == newest_first
    assert await ids(merchant=source, status="open") == newest_first[:3]
    assert await ids(merchant=source, status="captured") == [holds[0]["id"]]
    assert await ids(merchant=source, status="voided") == [holds[1]["id"]]
    assert await ids(merchant=source, status="expired") == [holds[2]["id"]]
    assert await ids(merchant="nobody-here") == []
    listed = (await api.get("/holds", params={"merchant": source})).json()["items"]
    assert [item["status"] for item in listed] == ["open"] * 3 + ["expired", "voided", "captured"]
    assert all([item == await shown(api, item) for item in listed])
    assert code(await api.get("/holds", params={"status": "lapsed"})) == (422, "validation_error")


async def test_pages_of_holds_neither_skip_nor_repeat_while_holds_are_added(api: httpx.AsyncClient) -> None:
    source, target = await merchant(api, "1000"), await merchant(api)
    made = [(await place(api, source, target, "1")).json()["id"] for _ in range(7)]
    seen: list[str] = []
    page = (await api.get("/holds", params={"merchant": source, "limit": 2})).json()
    while True:
        seen += [item["id"] for item in page["items"]]
        await place(api, source, target, "1")
        if page["next_cursor"] is None:
            break
        page = (await api.get("/holds", params={"cursor": page["next_cursor"], "limit": 2})).json()
    assert seen == made[::-1]


async def test_a_capture_and_a_void_have_words_of_their_own(api: httpx.AsyncClient) -> None:
    source, _, hold = await placed(api, memo="room 7", metadata={"room": 7})
    captured = await end(api, hold, "capture", amount="1.00", memo="two nights", metadata={"nights": 2})
    assert (captured.json()["memo"], captured.json()["metadata"]) == ("two nights", {"nights": 2})
    assert (await api.get(f"/transfers/{captured.json()['id']}")).json()["metadata"] == {"nights": 2}
    shown = (await api.get(f"/holds/{hold['id']}")).json()
    assert (shown["memo"], shown["metadata"]) == ("room 7", {"room": 7})
    source, _, hold = await placed(api, memo="room 8")
    voided = await end(api, hold, "void", memo="never came")
    assert (voided.status_code, voided.json()["memo"]) == (200, "room 8")
    lines = (await api.get(f"/accounts/{await wallet(api, source)}/statement")).json()["items"]
    assert [(line["type"], line["memo"]) for line in lines[:2]] == [("hold_release", "never came"), ("hold", "room 8")]
    for wrong in ({"memo": "x" * 501}, {"memo": "\x00"}, {"metadata": {}}):
        assert code(await end(api, hold, "void", **wrong)) == (422, "validation_error")
