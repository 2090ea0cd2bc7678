"""A second person: what a policy covers waits, is carried out once, and never by who asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from approvals.domain.states import ApprovalStatus
from approvals.models import Approval, ApprovalPolicy
from approvals.selectors.policies import forget_policies
from approvals.services.decisions import KEY_OWNER, Decider, approve
from approvals.services.expiry import expire_due
from ledger_project.database.readers import in_reader
from ledger_project.kernel.actors import Scope
from people.access.authentication import forget_credentials
from tests.api.test_authorization import bearer, new_key
from tests.support.factories import key, unique
from transfers.models import Event, IdempotencyRecord, Transfer

CURRENCY = "BRL"
"""The currency of the policies: no other test uses it, and there is one ledger for all."""

NOBODY = "01900000-0000-7000-8000-000000000000"
SOON = 259_200


@dataclass
class Caller:
    """A credential of the platform."""

    api: httpx.AsyncClient
    headers: dict[str, str]

    async def post(self, path: str, body: dict[str, Any] | None = None, headers: dict[str, str] | None = None) -> httpx.Response:
        return await self.api.post(path, json=body or {}, headers=self.headers | (key() if headers is None else headers))

    async def get(self, path: str, **query: str) -> httpx.Response:
        return await self.api.get(path, params=query, headers=self.headers)

    async def register(self, balance: str | None = None) -> str:
        body = {"merchant_name": unique(), "currency": CURRENCY} | ({"initial_balance": balance} if balance else {})
        response = await self.post("/merchants", body)
        assert response.status_code == 201, response.text
        return str(response.json()["merchant_name"])

    async def wallet(self, name: str) -> str:
        return str((await self.get(f"/merchants/{name}/balance", currency=CURRENCY)).json()["balances"][0]["account_id"])

    async def has(self, name: str) -> int:
        return int((await self.get(f"/merchants/{name}/balance", currency=CURRENCY)).json()["balances"][0]["available_minor"])

    async def waits(self, path: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:
        """Send what a policy covers; return what waits."""
        response = await self.post(path, body, headers)
        assert (response.status_code, list(response.json())) == (202, ["approval"]), response.text
        approval: dict[str, Any] = response.json()["approval"]
        assert list(approval) == ["id", "action", "status", "requested_by", "summary", "expires_at"]
        assert approval["status"] == "pending"
        return approval

    async def decide(self, approval: dict[str, Any], verb: str = "approve") -> dict[str, Any]:
        response = await self.post(f"/approvals/{approval['id']}/{verb}", {} if verb == "approve" else {"reason": "not today"}, {})
        assert response.status_code == 200, response.text
        decided: dict[str, Any] = response.json()
        assert decided == (await self.get(f"/approvals/{approval['id']}")).json()
        return decided


@dataclass
class World:
    """Who asks and who decides, and two merchants with 90.00 each; policies begin at 100.00."""

    asker: Caller
    second: Caller
    alice: str
    bob: str

    def transfer(self, amount: str = "100.00", **words: object) -> dict[str, Any]:
        return {"from_merchant": self.alice, "to_merchant": self.bob, "currency": CURRENCY, "amount": amount, **words}


def set_policies() -> None:
    for action in ("transfer", "deposit", "withdrawal", "reversal", "overdraft"):
        ApprovalPolicy.objects.create(action=action, currency_id=CURRENCY, from_minor=10_000)
    forget_policies()


def end_policies() -> None:
    ApprovalPolicy.objects.all().delete()
    forget_policies()


@pytest.fixture
async def world(api: httpx.AsyncClient, settings: Any) -> AsyncIterator[World]:
    settings.LEDGER_AUTH = "required"
    forget_credentials()
    asker, second = [Caller(api, bearer((await new_key()).secret)) for _ in range(2)]
    made = World(asker, second, await asker.register("90.00"), await asker.register("90.00"))
    await in_reader(set_policies)
    yield made
    await in_reader(end_policies)
    forget_credentials()


async def refuses(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


async def test_what_a_policy_covers_waits_and_is_posted_when_another_person_approves(world: World) -> None:
    account = await world.asker.wallet(world.alice)
    waits = await world.asker.waits(
        f"/accounts/{account}/deposit", {"amount": "100.00", "memo": "bank slip 7", "external_reference": "x-7"}
    )
    assert (waits["action"], waits["summary"]) == ("deposit", f"Deposit 100.00 {CURRENCY} for {world.alice}")
    assert await world.asker.has(world.alice) == 9_000
    shown = (await world.second.get(f"/approvals/{waits['id']}")).json()
    assert (shown["status"], shown["amount_minor"], shown["merchant_name"], shown["reason"]) == (
        "pending",
        10_000,
        world.alice,
        "bank slip 7",
    )
    assert shown["result"] is None
    decided = await world.second.decide(waits)
    assert (decided["status"], decided["failure"]) == ("approved", None)
    assert await world.asker.has(world.alice) == 19_000
    moved = decided["result"]["transfer"]
    assert (moved["memo"], moved["external_reference"], moved["kind"]) == ("bank slip 7", "x-7", "deposit")
    assert moved == {
        name: value for name, value in (await world.asker.get(f"/transfers/{moved['id']}")).json().items() if name != "entries"
    }
    posted = await in_reader(Transfer.objects.get, id=moved["id"])
    assert posted.principal == waits["requested_by"]
    # The second time nothing happens.
    assert await world.second.decide(waits) == decided
    assert await world.asker.has(world.alice) == 19_000


async def test_each_action_waits_from_its_amount_on_and_not_below(world: World) -> None:
    asker, second = world.asker, world.second
    assert (await asker.post("/transfers", world.transfer("10.00"))).status_code == 201
    account = await asker.wallet(world.alice)
    for path, body in (
        ("/transfers", world.transfer("99.99")),
        (f"/accounts/{account}/withdraw", {"amount": "99.99"}),
    ):
        assert await refuses(await asker.post(path, body)) == (409, "insufficient_funds")
    assert (await asker.post(f"/accounts/{account}/deposit", {"amount": "99.99"})).status_code == 200
    assert (await asker.post(f"/accounts/{account}/overdraft", {"overdraft_limit": "99.99", "reason": "small"}, {})).status_code == 200
    sent = await asker.waits("/transfers", world.transfer())
    assert (await second.decide(sent))["status"] == "approved"
    moved = (await second.get(f"/approvals/{sent['id']}")).json()["transfer_id"]
    back = await asker.waits(f"/transfers/{moved}/reverse", {"refund_fee": True})
    assert back["action"] == "reversal"
    assert (await second.decide(back))["result"]["transfer"]["reverses"] == moved
    opened = await asker.waits("/merchants", {"merchant_name": unique(), "currency": CURRENCY, "initial_balance": "100.00"})
    assert opened["action"] == "deposit"
    assert (await second.decide(opened))["result"]["transfer"]["kind"] == "opening"
    taken = await asker.waits(f"/accounts/{account}/withdraw", {"amount": "100.00"})
    assert (await second.decide(taken))["result"]["transfer"]["kind"] == "withdrawal"
    lent = await asker.waits(f"/accounts/{account}/overdraft", {"overdraft_limit": "100.00", "reason": "large"}, {})
    assert (await second.decide(lent))["result"] is None
    assert (await asker.get(f"/accounts/{account}")).json()["overdraft_limit"] == "100.00"


async def test_a_capture_is_a_transfer_and_the_hold_before_it_is_not(world: World) -> None:
    account = await world.asker.wallet(world.alice)
    for _ in range(2):
        await world.asker.post(f"/accounts/{account}/deposit", {"amount": "99.00"})
    held = await world.asker.post("/holds", world.transfer(expires_in=3600))
    assert held.status_code == 201
    waits = await world.asker.waits(f"/holds/{held.json()['id']}/capture", {})
    assert waits["action"] == "transfer"
    assert (await world.second.decide(waits))["result"]["transfer"]["kind"] == "capture"
    assert (await world.asker.get(f"/holds/{held.json()['id']}")).json()["status"] == "captured"


async def test_a_key_keeps_its_first_answer_whatever_the_policies_are_later(world: World) -> None:
    account, first, second = await world.asker.wallet(world.alice), key(), key()
    path, body = f"/accounts/{account}/deposit", {"amount": "100.00"}
    waits = await world.asker.waits(path, body, first)
    again = await world.asker.post(path, body, first)
    assert (again.status_code, again.json()["approval"], again.headers["Idempotent-Replayed"]) == (202, waits, "true")
    assert await refuses(await world.asker.post(path, {"amount": "200.00"}, first)) == (409, "idempotency_key_reused")
    await in_reader(end_policies)
    assert (await world.asker.post(path, body, first)).json()["approval"] == waits
    posted = await world.asker.post(path, body, second)
    assert posted.status_code == 200
    await in_reader(set_policies)
    assert (await world.asker.post(path, body, second)).content == posted.content
    # What waits already goes on waiting, and is approved.
    assert (await world.second.decide(waits))["status"] == "approved"
    assert await world.asker.has(world.alice) == 29_000


async def test_of_one_command_one_request_waits_at_a_time(world: World) -> None:
    account = await world.asker.wallet(world.alice)
    path, body = f"/accounts/{account}/deposit", {"amount": "100.00", "memo": "once"}
    callers = [world.asker, world.second] * 5
    all_of_them = await asyncio.gather(*[caller.waits(path, body) for caller in callers])
    assert len({waits["id"] for waits in all_of_them}) == 1
    other = await world.asker.waits(path, {**body, "memo": "twice"})
    assert other["id"] != all_of_them[0]["id"]
    requested = await in_reader(list, Event.objects.filter(type="approval.requested", data__approval__id=all_of_them[0]["id"]))
    assert len(requested) == 1
    asker = await in_reader(Approval.objects.get, id=all_of_them[0]["id"])
    decider = world.second if asker.requested_by == other["requested_by"] else world.asker
    assert (await decider.decide(all_of_them[0]))["status"] == "approved"
    anew = await world.asker.waits(path, body)
    assert anew["id"] != all_of_them[0]["id"]
    assert await world.asker.has(world.alice) == 19_000


async def test_nobody_decides_about_what_they_asked_for(world: World) -> None:
    waits = await world.asker.waits("/transfers", world.transfer())
    for verb, body in (("approve", {}), ("reject", {"reason": "mine"})):
        assert await refuses(await world.asker.post(f"/approvals/{waits['id']}/{verb}", body, {})) == (403, "permission_denied")
    assert (await world.asker.get(f"/approvals/{waits['id']}")).json()["status"] == "pending"


async def test_only_the_platform_with_the_scope_sees_and_decides(world: World, api: httpx.AsyncClient) -> None:
    waits = await world.asker.waits("/transfers", world.transfer())
    without = Caller(api, bearer((await new_key(None, Scope.OPERATIONS_WRITE, Scope.TRANSFERS_WRITE)).secret))
    theirs = Caller(api, bearer((await new_key(world.alice)).secret))
    for caller in (without, theirs):
        for path in ("/approvals", f"/approvals/{waits['id']}"):
            assert await refuses(await caller.get(path)) == (403, "permission_denied")
        for verb in ("approve", "reject"):
            assert await refuses(await caller.post(f"/approvals/{waits['id']}/{verb}", {"reason": "x"}, {})) == (403, "permission_denied")
    # A merchant's own credential needs no second person, and lacks the money here.
    assert await refuses(await theirs.post("/transfers", world.transfer())) == (409, "insufficient_funds")


async def test_what_the_ledger_refuses_has_failed_with_its_code(world: World) -> None:
    waits = await world.asker.waits("/transfers", world.transfer())
    decided = await world.second.decide(waits)
    assert (decided["status"], decided["failure"]["code"], decided["result"]) == ("failed", "insufficient_funds", None)
    assert await world.second.decide(waits) == decided
    assert await refuses(await world.second.post(f"/approvals/{waits['id']}/reject", {"reason": "late"}, {})) == (409, "approval_decided")
    assert not await in_reader(IdempotencyRecord.objects.filter(owner=KEY_OWNER, key=waits["id"]).exists)


async def test_a_rejected_one_posts_nothing_and_is_asked_for_anew(world: World) -> None:
    path, body = f"/accounts/{await world.asker.wallet(world.alice)}/deposit", {"amount": "100.00"}
    waits = await world.asker.waits(path, body)
    decided = await world.second.decide(waits, "reject")
    assert (decided["status"], decided["decision_reason"], decided["transfer_id"]) == ("rejected", "not today", None)
    assert await refuses(await world.second.post(f"/approvals/{waits['id']}/approve", {}, {})) == (409, "approval_decided")
    assert await world.asker.has(world.alice) == 9_000
    assert (await world.asker.waits(path, body))["id"] != waits["id"]


async def test_it_expires_and_nobody_approves_it_then(world: World, settings: Any) -> None:
    path, body = f"/accounts/{await world.asker.wallet(world.alice)}/deposit", {"amount": "100.00"}
    settings.LEDGER_APPROVAL_LIFETIME = 0
    response = await world.asker.post(path, body)
    late = response.json()["approval"]
    assert (response.status_code, late["status"]) == (202, "expired")
    assert late["id"] not in {one["id"] for one in (await world.second.get("/approvals", status="pending")).json()["items"]}
    assert await refuses(await world.second.post(f"/approvals/{late['id']}/approve", {}, {})) == (409, "approval_decided")
    settings.LEDGER_APPROVAL_LIFETIME = SOON
    anew = await world.asker.waits(path, body)  # the one before is ended first
    assert (await in_reader(Approval.objects.get, id=late["id"])).status == ApprovalStatus.EXPIRED
    settings.LEDGER_APPROVAL_LIFETIME = 0
    other = (await world.asker.post(path, {**body, "memo": "other"})).json()["approval"]
    assert (await in_reader(expire_due, lambda: False))["expired"] == 1
    assert (await world.second.get(f"/approvals/{other['id']}")).json()["status"] == "expired"
    assert (await world.second.get(f"/approvals/{anew['id']}")).json()["status"] == "pending"
    assert await world.asker.has(world.alice) == 9_000


async def test_of_many_that_approve_at_once_one_posts(world: World) -> None:
    path = f"/accounts/{await world.asker.wallet(world.alice)}/deposit"
    waits = await world.asker.waits(path, {"amount": "100.00"})
    deciders = [Decider(f"key:decider-{number}", "r") for number in range(4)]

    async def one(decider: Decider) -> str:
        try:
            return (await in_reader(approve, (await in_reader(Approval.objects.get, id=waits["id"])).id, decider)).status
        except Exception as error:  # noqa: BLE001 - its kind is what the test looks at
            return type(error).__name__

    outcomes = await asyncio.gather(*[one(decider) for decider in deciders])
    assert sorted(outcomes) == ["ApprovalDecided"] * 3 + ["approved"]
    assert await world.asker.has(world.alice) == 19_000


async def test_a_batch_has_no_room_for_a_request(world: World) -> None:
    items = [world.transfer("1.00") | {"idempotency_key": unique()}, world.transfer() | {"idempotency_key": unique()}]
    mixed = await world.asker.post("/transfers/batch", {"transfers": items})
    assert [result["status"] for result in mixed.json()["results"]] == [201, 409]
    assert mixed.json()["results"][1]["error"]["code"] == "approval_required"
    anew = [item | {"idempotency_key": unique()} for item in items]
    whole = await world.asker.post("/transfers/batch", {"transfers": anew, "atomic": True})
    assert (whole.status_code, whole.json()["code"], whole.json()["index"]) == (409, "approval_required", 1)
    assert not await in_reader(Approval.objects.filter(merchant__name=world.alice).exists)


async def test_a_merchant_is_closed_by_two(world: World) -> None:
    name = await world.asker.register()
    await in_reader(ApprovalPolicy.objects.create, action="close")
    forget_policies()
    waits = await world.asker.waits(f"/merchants/{name}/close", {"reason": "owner asked"}, {})
    assert (await world.asker.get(f"/merchants/{name}")).json()["status"] == "active"
    assert (await world.second.decide(waits))["status"] == "approved"
    assert (await world.asker.get(f"/merchants/{name}")).json()["status"] == "closed"
    full = await world.asker.waits(f"/merchants/{world.alice}/close", {"reason": "owner asked"}, {})
    assert (await world.second.decide(full))["failure"]["code"] == "account_not_empty"


async def test_everything_about_it_is_an_event(world: World) -> None:
    path = f"/accounts/{await world.asker.wallet(world.alice)}/deposit"
    first = await world.asker.waits(path, {"amount": "100.00"})
    second = await world.asker.waits(path, {"amount": "200.00"})
    third = await world.asker.waits("/transfers", world.transfer("5000.00"))
    await world.second.decide(first)
    await world.second.decide(second, "reject")
    await world.second.decide(third)
    kept = await in_reader(
        list, Event.objects.filter(type__startswith="approval.").order_by("id").values_list("type", "data", "merchant_id")
    )
    told = [
        (type_, data["approval"]["id"]) for type_, data, _ in kept if data["approval"]["id"] in {first["id"], second["id"], third["id"]}
    ]
    assert told == [
        *[("approval.requested", waits["id"]) for waits in (first, second, third)],
        ("approval.approved", first["id"]),
        ("approval.rejected", second["id"]),
        ("approval.failed", third["id"]),
    ]
    assert {merchant_id for *_, merchant_id in kept} == {None}  # the platform's alone


async def test_lists_go_page_by_page_and_by_status(world: World) -> None:
    path = f"/accounts/{await world.asker.wallet(world.alice)}/deposit"
    made = [(await world.asker.waits(path, {"amount": f"{100 + number}.00"}))["id"] for number in range(3)]
    page = (await world.second.get("/approvals", status="pending", limit="2")).json()
    assert [item["id"] for item in page["items"]] == made[:0:-1]
    rest = (await world.second.get("/approvals", status="pending", limit="2", cursor=page["next_cursor"])).json()
    assert rest["items"][0]["id"] == made[0]
    assert await refuses(await world.second.get("/approvals", status="open")) == (422, "validation_error")
    assert await refuses(await world.second.get(f"/approvals/{NOBODY}")) == (404, "approval_not_found")
    for verb in ("approve", "reject"):
        assert await refuses(await world.second.post(f"/approvals/nothing/{verb}", {"reason": "x"} if verb == "reject" else {}, {})) == (
            404,
            "approval_not_found",
        )
