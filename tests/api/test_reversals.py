"""Reversals: money goes back where it came from, in full or in parts, with its fee on request."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from fees.models import FeeSchedule
from ledger_project.database.readers import in_reader
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import TREASURY
from merchants.models import Merchant
from merchants.selectors import identify
from tests.support.factories import balance_minor, key, merchant, transfer, unique, wallet
from transfers.domain.commands import Details, SettleFees
from transfers.posting.synchronous import post_now

UNKNOWN = "01a1fc35-d5a5-775d-b78f-46dff00cbdd2"


async def made(api: httpx.AsyncClient, amount: int = 1000, receiver: str | None = "0") -> tuple[str, str, dict[str, Any]]:
    """Return payer, receiver and a transfer from 100.00 of the one to the other."""
    source, target = await merchant(api, "100"), await merchant(api, receiver)
    response = await transfer(api, source, target, amount, external_reference=unique(), memo="original", metadata={"a": 1})
    assert response.status_code == 201
    return source, target, response.json()


async def reverse(api: httpx.AsyncClient, transfer_id: str, **body: object) -> httpx.Response:
    return await api.post(f"/transfers/{transfer_id}/reverse", json=body, headers=key())


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


async def available(api: httpx.AsyncClient, *names: str) -> tuple[int, ...]:
    return tuple([await balance_minor(api, name) for name in names])


async def test_a_reversal_is_a_linked_transfer_without_a_fee(api: httpx.AsyncClient) -> None:
    source, target, original = await made(api)
    response = await reverse(api, original["id"], memo="goods came back")
    assert response.status_code == 201
    back = response.json()
    assert (back["kind"], back["reverses"], back["from_merchant"], back["to_merchant"]) == ("reversal", original["id"], target, source)
    assert (back["amount"], back["fee"], back["total_debit"], back["fee_schedule"]) == ("10.00", "0.00", "10.00", None)
    assert (back["memo"], back["metadata"], back["external_reference"]) == ("goods came back", {}, None)
    assert await available(api, source, target) == (9990, 0)
    shown = (await api.get(f"/transfers/{back['id']}")).json()
    assert sorted((e["direction"], e["type"], e["amount_minor"], e["counterparty"]) for e in shown["entries"]) == [
        ("CREDIT", "reversal", 1000, target),
        ("DEBIT", "reversal", 1000, source),
    ]


async def test_the_original_stays_as_it_was(api: httpx.AsyncClient) -> None:
    _, _, original = await made(api)
    before = (await api.get(f"/transfers/{original['id']}")).content
    await reverse(api, original["id"], refund_fee=True)
    assert (await api.get(f"/transfers/{original['id']}")).content == before


async def test_parts_add_up_to_the_original_at_most(api: httpx.AsyncClient) -> None:
    source, target, original = await made(api)
    assert [(await reverse(api, original["id"], amount=part)).status_code for part in ("3.00", "0.01")] == [201, 201]
    too_much = await reverse(api, original["id"], amount="7.00")
    assert code(too_much) == (409, "reversal_exceeds_original")
    assert (too_much.json()["remaining"], too_much.json()["remaining_minor"], too_much.json()["requested"]) == ("6.99", 699, "7.00")
    rest = await reverse(api, original["id"])
    assert (rest.status_code, rest.json()["amount"]) == (201, "6.99")
    assert await available(api, source, target) == (9990, 0)
    for body in ({}, {"amount": "0.01"}, {"amount": "99"}):
        assert code(await reverse(api, original["id"], **body)) == (409, "already_reversed")


async def test_minor_units_do_too(api: httpx.AsyncClient) -> None:
    _, _, original = await made(api)
    assert (await reverse(api, original["id"], amount_minor=1)).json()["amount"] == "0.01"


async def test_more_than_the_original_is_never_reversed(api: httpx.AsyncClient) -> None:
    source, target, original = await made(api, receiver="100")
    assert code(await reverse(api, original["id"], amount="10.01")) == (409, "reversal_exceeds_original")
    assert await available(api, source, target) == (8990, 11_000)


@pytest.mark.parametrize(
    "body", [{"amount": "0"}, {"amount": "1", "amount_minor": 1}, {"amount": 1}, {"refund_fee": "yes"}, {"memo": 1}, {"x": 1}]
)
@pytest.mark.parametrize("known", [True, False])
async def test_what_is_invalid_is_refused_before_anything_else(api: httpx.AsyncClient, body: dict[str, object], known: bool) -> None:
    transfer_id = (await made(api))[2]["id"] if known else UNKNOWN
    assert code(await reverse(api, transfer_id, **body)) == (422, "validation_error")


@pytest.mark.parametrize("transfer_id", [UNKNOWN, "x", unique()])
async def test_an_unknown_transfer_is_not_found(api: httpx.AsyncClient, transfer_id: str) -> None:
    assert code(await reverse(api, transfer_id)) == (404, "transfer_not_found")


async def test_a_receiver_who_no_longer_has_the_money_is_short_of_it(api: httpx.AsyncClient) -> None:
    source, target, original = await made(api)
    await api.post(f"/accounts/{await wallet(api, target)}/withdraw", json={"amount": "0.01"}, headers=key())
    response = await reverse(api, original["id"])
    assert code(response) == (409, "insufficient_funds")
    assert (response.json()["available"], response.json()["required"]) == ("9.99", "10.00")
    assert await available(api, source, target) == (8990, 999)
    assert (await reverse(api, original["id"], amount="9.99")).status_code == 201


async def test_money_that_the_receiver_holds_for_somebody_does_not_come_back(api: httpx.AsyncClient) -> None:
    source, target, original = await made(api)
    body = {"from_merchant": target, "to_merchant": source, "currency": "USD", "amount": "5"}
    await api.post("/holds", json=body, headers=key())
    assert code(await reverse(api, original["id"])) == (409, "insufficient_funds")


async def _other_kinds(api: httpx.AsyncClient) -> dict[str, str]:
    """Return the id of a transfer of each kind that cannot be reversed."""
    source, target, original = await made(api)
    account = await wallet(api, source)
    hold = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount": "1"}
    held = (await api.post("/holds", json=hold, headers=key())).json()["id"]
    await api.post(f"/holds/{held}/void", headers=key())
    found = {
        "deposit": (await api.post(f"/accounts/{account}/deposit", json={"amount": "1"}, headers=key())).json()["transfer"]["id"],
        "withdrawal": (await api.post(f"/accounts/{account}/withdraw", json={"amount": "1"}, headers=key())).json()["transfer"]["id"],
        "reversal": (await reverse(api, original["id"])).json()["id"],
    }
    for kind in ("opening", "hold", "hold_release"):
        (one,) = (await api.get("/transfers", params={"to": source, "kind": kind})).json()["items"]
        found[kind] = one["id"]
    return found


async def test_only_transfers_and_captures_can_be_reversed(api: httpx.AsyncClient) -> None:
    for kind, transfer_id in (await _other_kinds(api)).items():
        for body in ({}, {"amount": "0.01", "refund_fee": True}, {"amount": "1000"}):
            assert code(await reverse(api, transfer_id, **body)) == (409, "not_reversible"), kind


async def test_a_capture_is_reversed_with_its_fee(api: httpx.AsyncClient) -> None:
    source, target = await merchant(api, "100"), await merchant(api)
    hold = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount": "10"}
    held = (await api.post("/holds", json=hold, headers=key())).json()["id"]
    captured = (await api.post(f"/holds/{held}/capture", json={"amount": "8"}, headers=key())).json()
    assert code(await reverse(api, captured["id"], amount="8.01")) == (409, "reversal_exceeds_original")
    assert (await reverse(api, captured["id"], refund_fee=True)).status_code == 201
    assert await available(api, source, target) == (10_000, 0)
    assert (await api.get(f"/holds/{held}")).json()["status"] == "captured"


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("status", ["frozen", "closed"])
async def test_nothing_comes_back_where_money_may_not_move(api: httpx.AsyncClient, side: str, status: str) -> None:
    source, target, original = await made(api)
    rows = Merchant.objects.filter(name=source if side == "source" else target)
    await in_reader(rows.update, status=status)
    assert code(await reverse(api, original["id"])) == (409, f"account_{status}")
    await in_reader(rows.update, status="active")
    assert (await reverse(api, original["id"])).status_code == 201


# --- the fee ----------------------------------------------------------------------------------------------------------------


async def test_without_refund_the_fee_stays(api: httpx.AsyncClient) -> None:
    source, _, original = await made(api)
    await reverse(api, original["id"])
    assert await available(api, source) == (9990,)


async def test_with_refund_the_fee_comes_back_from_where_it_went(api: httpx.AsyncClient) -> None:
    source, target, original = await made(api)
    back = (await reverse(api, original["id"], refund_fee=True)).json()
    assert await available(api, source, target) == (10_000, 0)
    entries = (await api.get(f"/transfers/{back['id']}")).json()["entries"]
    assert sorted((e["account_kind"], e["direction"], e["type"], e["amount_minor"], e["balance_after_minor"]) for e in entries) == [
        ("fees", "DEBIT", "fee_refund", 10, 0),
        ("wallet", "CREDIT", "fee_refund", 10, 9000),
        ("wallet", "CREDIT", "reversal", 1000, 10_000),
        ("wallet", "DEBIT", "reversal", 1000, 0),
    ]


async def test_the_fee_comes_back_in_proportion_and_the_last_part_brings_the_remainder(api: httpx.AsyncClient) -> None:
    """The fee of 10.00 is 0.10: thirds of it are 3.33 each, rounded down to 3, and the last brings 4."""
    source, target, original = await made(api)
    balances = []
    for part in ("3.33", "3.33", "3.34"):
        assert (await reverse(api, original["id"], amount=part, refund_fee=True)).status_code == 201
        balances.append((await available(api, source))[0])
    assert balances == [8990 + 333 + 3, 8990 + 666 + 6, 10_000]
    assert await available(api, target) == (0,)


async def test_seven_parts_bring_back_exactly_the_fee(api: httpx.AsyncClient) -> None:
    source, target, original = await made(api, 997)
    assert original["fee_minor"] == 10
    for _ in range(6):
        assert (await reverse(api, original["id"], amount_minor=142, refund_fee=True)).status_code == 201
    assert (await reverse(api, original["id"], refund_fee=True)).json()["amount_minor"] == 997 - 6 * 142
    assert await available(api, source, target) == (10_000, 0)


async def test_a_part_without_refund_keeps_its_share(api: httpx.AsyncClient) -> None:
    source, _, original = await made(api)
    await reverse(api, original["id"], amount="5.00")
    await reverse(api, original["id"], refund_fee=True)
    assert await available(api, source) == (10_000 - 5,)


async def test_a_receiver_who_paid_the_fee_gets_it_back(api: httpx.AsyncClient) -> None:
    source, target = await merchant(api, "100"), await merchant(api)

    def receiver_pays() -> None:
        FeeSchedule.objects.create(
            merchant=Merchant.objects.get(name=source), currency_id="USD", version=1, rate=Decimal("0.05"), payer="receiver",
            effective_from=datetime.now(UTC), note="test",
        )  # fmt: skip

    await in_reader(receiver_pays)
    original = (await transfer(api, source, target, 1000)).json()
    assert await available(api, source, target) == (9000, 950)
    assert code(await reverse(api, original["id"])) == (409, "insufficient_funds")
    assert (await reverse(api, original["id"], refund_fee=True)).status_code == 201
    assert await available(api, source, target) == (10_000, 0)


async def test_a_fee_of_nothing_needs_no_refund(api: httpx.AsyncClient) -> None:
    source, target, original = await made(api, 10)
    assert original["fee_minor"] == 0
    back = (await reverse(api, original["id"], refund_fee=True)).json()
    assert len((await api.get(f"/transfers/{back['id']}")).json()["entries"]) == 2
    assert await available(api, source, target) == (10_000, 0)


async def _sweep_fees(api: httpx.AsyncClient, name: str) -> None:
    """Sweep what a merchant has paid into the treasury, which is made if there is none."""
    await api.post("/merchants", json={"merchant_name": TREASURY})
    found = await identify(names=[name, TREASURY])
    payer, treasury = found.merchant(name), found.merchant(TREASURY)
    assert payer is not None
    assert treasury is not None
    (result,) = await in_reader(post_now, [SettleFees(payer, treasury, CurrencyUnit("USD", 2), Details())])
    assert result.transfer_id is not None


async def test_a_fee_that_was_swept_comes_back_out_of_the_treasury(api: httpx.AsyncClient) -> None:
    source, target, original = await made(api)
    await _sweep_fees(api, source)
    swept = await balance_minor(api, TREASURY)
    back = (await reverse(api, original["id"], refund_fee=True)).json()
    assert await available(api, source, target) == (10_000, 0)
    assert await balance_minor(api, TREASURY) == swept - 10
    entries = (await api.get(f"/transfers/{back['id']}")).json()["entries"]
    assert {e["account_kind"] for e in entries} == {"wallet"}
    settled = (await api.get("/transfers", params={"from": source, "kind": "fee_settlement"})).json()["items"]
    assert [(one["from_merchant"], one["to_merchant"], one["amount_minor"]) for one in settled] == [(source, TREASURY, 10)]
    assert code(await reverse(api, settled[0]["id"])) == (409, "not_reversible")


async def test_a_fee_swept_in_part_comes_back_from_both(api: httpx.AsyncClient) -> None:
    source, target, original = await made(api)
    await _sweep_fees(api, source)
    swept = await balance_minor(api, TREASURY)
    assert (await transfer(api, source, target, 400)).json()["fee_minor"] == 4
    assert (await reverse(api, original["id"], refund_fee=True)).status_code == 201
    assert await balance_minor(api, TREASURY) == swept - 6
    assert await available(api, source, target) == (10_000 - 404, 400)
