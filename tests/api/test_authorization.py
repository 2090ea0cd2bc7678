"""Who may do what: every route with every kind of credential, and what each answers. The rules are docs/authorization.md's."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from events.models import Webhook
from events.selectors.headers import last_settled_id
from events.services.secrets import new_secret, sealed
from fees.models import FeeSchedule
from fees.services import append_schedule
from ledger_project.database.readers import in_reader
from ledger_project.http.views import ApiView
from ledger_project.kernel.actors import MERCHANT_SCOPES, Scope
from merchants.models import Merchant
from merchants.selectors import identify
from people.access.authentication import forget_credentials
from people.credentials import NewKey, create_key, revoke_key
from people.models import ApiKey
from tests.support.factories import key, merchant, transfer, unique, wallet


async def new_key(merchant_name: str | None = None, *scopes: Scope, expires_at: datetime | None = None) -> NewKey:
    """Make a key of the platform's, or of a merchant's; with all the scopes it can have unless some are named."""
    owner = None if merchant_name is None else (await identify(names=[merchant_name])).merchant(merchant_name)
    wanted = scopes or (tuple(Scope) if owner is None else tuple(MERCHANT_SCOPES))
    return await in_reader(create_key, name="test", merchant=owner, scopes=wanted, expires_at=expires_at)


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def required(settings: Any) -> Iterator[None]:
    settings.LEDGER_AUTH = "required"
    forget_credentials()
    yield
    forget_credentials()


@dataclass
class World:
    """Two merchants that know each other, a third one, one that nobody needs, and a credential of each kind."""

    alice: str
    bob: str
    carol: str
    idle: str
    wallets: dict[str, str] = field(default_factory=dict)
    transfer: str = ""
    hold: str = ""
    webhook: str = ""
    user: str = ""
    headers: dict[str, dict[str, str]] = field(default_factory=dict)


@pytest.fixture(scope="module")
async def people(api: httpx.AsyncClient) -> World:
    """The merchants and their credentials: ``payer`` is Alice's, ``own`` Bob's, ``other`` Carol's."""
    made = World(*[await merchant(api, "1000000.00") for _ in range(4)])
    made.wallets = {name: await wallet(api, name) for name in (made.alice, made.bob, made.carol, made.idle)}
    expired = await new_key(made.bob, expires_at=datetime.now(UTC) + timedelta(hours=1))
    await in_reader(ApiKey.objects.filter(id=expired.id).update, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    revoked = await new_key(made.bob)
    await in_reader(revoke_key, revoked.id)
    made.headers = {
        "none": {},
        "garbage": bearer("x.y.z"),
        "well-formed but unknown": bearer("lk_AAAAAAAA_" + "A" * 43),
        "other scheme": {"Authorization": "Basic YWxpY2U6c2VjcmV0"},
        "expired": bearer(expired.secret),
        "revoked": bearer(revoked.secret),
        "platform": bearer((await new_key()).secret),
        "payer": bearer((await new_key(made.alice)).secret),
        "own": bearer((await new_key(made.bob)).secret),
        "other": bearer((await new_key(made.carol)).secret),
    }
    return made


def _webhook_of(name: str) -> str:
    """Make a webhook of a merchant's that points to nobody; it is paused, so nothing is sent."""
    owner = Merchant.objects.get(name=name)
    made = Webhook.objects.create(
        merchant=owner, url="https://[2001:db8::1]/", types=["*"], secret=sealed(new_secret()), status="paused", cursor=last_settled_id()
    )
    return str(made.id)


@asynccontextmanager
async def _new_world(api: httpx.AsyncClient, people: World) -> AsyncIterator[World]:
    made = (await transfer(api, people.alice, people.bob, 1000)).json()["id"]
    body = {"from_merchant": people.alice, "to_merchant": people.bob, "currency": "USD", "amount_minor": 500}
    webhook = await in_reader(_webhook_of, people.bob)
    member = {"email": f"{unique()}@shop.example", "name": "Mira", "merchants": [{"merchant_name": people.bob, "role": "viewer"}]}
    user = (await api.post("/users", json=member)).json()["id"]
    hold = (await api.post("/holds", json=body, headers=key())).json()["id"]
    yield replace(people, transfer=made, webhook=webhook, user=user, hold=hold)
    await in_reader(Webhook.objects.filter(id=webhook).update, status="deleted")


@pytest.fixture(scope="module")
async def untouched(api: httpx.AsyncClient, people: World) -> AsyncIterator[World]:
    """A world for those who are turned away: nothing changes in it."""
    async with _new_world(api, people) as made:
        yield made


@pytest.fixture
async def world(api: httpx.AsyncClient, people: World, untouched: World, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """Alice has just sent money to Bob, and promised him some; Carol has nothing to do with it."""
    callspec = getattr(request.node, "callspec", None)
    if callspec is not None and callspec.params.get("credential") in (*BAD, "wrong scope"):
        yield untouched
        return
    async with _new_world(api, people) as made:
        yield made


@dataclass(frozen=True)
class Route:
    """A call, and what it answers to each kind of good credential. ``scope`` is what it needs; None: nothing, it is public."""

    method: str
    path: str
    scope: Scope | None
    platform: int
    own: int
    other: int
    payer: int
    body: dict[str, Any] | None = None
    not_found: str = ""
    twin: dict[str, str] = field(default_factory=dict)

    def request(self, world: World, **missing: str) -> dict[str, Any]:
        """Return the arguments of the request, about the world's things or about things that do not exist."""
        names = {
            "alice": world.alice, "bob": world.bob, "carol": world.carol, "transfer": world.transfer, "hold": world.hold,
            "wallet": world.wallets[world.bob], "payer_wallet": world.wallets[world.alice], "unique": unique(), "currency": next(CURRENCIES),
            "webhook": world.webhook, "idle": world.idle, "user": world.user, "idle_wallet": world.wallets[world.idle], "code": "not_found",
            "nowhere": NOWHERE,
        } | missing  # fmt: skip
        arguments: dict[str, Any] = {"method": self.method, "url": self.path.format(**names)}
        if self.body is not None:
            arguments["json"] = json.loads(re.sub(r"\{(\w+)\}", lambda found: names[found[1]], json.dumps(self.body)))
        return arguments


CURRENCIES = itertools.cycle(["EUR", "GBP", "CHF", "JPY", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "CAD", "AUD", "NZD", "BTC", "ETH"])
READ, WRITE = Scope.MERCHANTS_READ, Scope.MERCHANTS_WRITE
LOOK, MOVE = Scope.TRANSFERS_READ, Scope.TRANSFERS_WRITE
OPERATE = Scope.OPERATIONS_WRITE
USERS, USER = (Scope.USERS_READ, Scope.USERS_WRITE), "user_not_found"
HOOKS, HOOK = (Scope.WEBHOOKS_READ, Scope.WEBHOOKS_WRITE), "webhook_not_found"
NOBODY, NOWHERE = "nobody-here", str(UUID("01900000-0000-7000-8000-000000000000"))
MERCHANT, ACCOUNT = "merchant_not_found", "account_not_found"
FROM_BOB = {"from_merchant": "{bob}", "to_merchant": "{alice}", "currency": "USD", "amount_minor": 1}

ROUTES = [
    # method, path, scope, then the answers to: the platform, Bob (whose it is), Carol (who knows nothing of it), Alice (who paid)
    Route("GET", "/merchants", READ, 200, 200, 200, 200),
    Route("POST", "/merchants", WRITE, 201, 403, 403, 403, {"merchant_name": "{unique}"}),
    Route("GET", "/merchants/{bob}", READ, 200, 200, 404, 404, None, MERCHANT, {"bob": NOBODY}),
    Route("GET", "/merchants/{bob}/balance", READ, 200, 200, 404, 404, None, MERCHANT, {"bob": NOBODY}),
    Route("POST", "/merchants/{bob}/accounts", WRITE, 201, 201, 404, 404, {"currency": "{currency}"}, MERCHANT, {"bob": NOBODY}),
    Route("GET", "/accounts/{wallet}", READ, 200, 200, 404, 404, None, ACCOUNT, {"wallet": NOWHERE}),
    Route("GET", "/accounts/{wallet}/statement", READ, 200, 200, 404, 404, None, ACCOUNT, {"wallet": NOWHERE}),
    Route("POST", "/accounts/{wallet}/deposit", MOVE, 200, 403, 403, 403, {"amount_minor": 1}),
    Route("POST", "/accounts/{wallet}/withdraw", MOVE, 200, 200, 404, 404, {"amount_minor": 1}, ACCOUNT, {"wallet": NOWHERE}),
    Route("POST", "/transfers", MOVE, 201, 201, 404, 404, FROM_BOB, MERCHANT, {"bob": NOBODY}),
    Route(
        "POST", "/transfers", MOVE, 201, 201, 404, 404,
        {"source_account_id": "{wallet}", "dest_account_id": "{payer_wallet}", "amount_minor": 1}, ACCOUNT, {"wallet": NOWHERE},
    ),
    Route("POST", "/transfers/quote", Scope.FEES_READ, 200, 200, 404, 404, FROM_BOB, MERCHANT, {"bob": NOBODY}),
    Route("POST", "/transfers/batch", MOVE, 200, 200, 200, 200, {"transfers": [{"idempotency_key": "k"}]}),
    Route("GET", "/transfers", LOOK, 200, 200, 200, 200),
    Route("GET", "/transfers/{transfer}", LOOK, 200, 200, 404, 200, None, "transfer_not_found", {"transfer": NOWHERE}),
    # Without account_id the platform is told to name the party; tests/api/test_receipts.py has the calls with it.
    Route("GET", "/transfers/{transfer}/receipt", LOOK, 422, 200, 404, 200, None, "transfer_not_found", {"transfer": NOWHERE}),
    Route("POST", "/transfers/{transfer}/reverse", MOVE, 201, 201, 404, 403, {}, "transfer_not_found", {"transfer": NOWHERE}),
    Route("POST", "/holds", MOVE, 201, 201, 404, 404, FROM_BOB, MERCHANT, {"bob": NOBODY}),
    Route("GET", "/holds", LOOK, 200, 200, 200, 200),
    Route("GET", "/holds/{hold}", LOOK, 200, 200, 404, 200, None, "hold_not_found", {"hold": NOWHERE}),
    Route("POST", "/holds/{hold}/capture", MOVE, 201, 201, 404, 403, {}, "hold_not_found", {"hold": NOWHERE}),
    Route("POST", "/holds/{hold}/void", MOVE, 200, 200, 404, 403, {}, "hold_not_found", {"hold": NOWHERE}),
    Route("GET", "/events", Scope.EVENTS_READ, 200, 200, 200, 200),
    Route("GET", "/events/{transfer}", Scope.EVENTS_READ, 200, 200, 404, 200, None, "event_not_found", {"transfer": NOWHERE}),
    Route("PATCH", "/merchants/{bob}", WRITE, 200, 403, 403, 403, {"display_name": "Bob's"}),
    *[
        Route("POST", f"/merchants/{{idle}}/{verb}", OPERATE, status, 403, 403, 403, {"reason": "as ordered"})
        for verb, status in (("freeze", 200), ("unfreeze", 200), ("close", 409))
    ],
    *[Route("POST", f"/accounts/{{idle_wallet}}/{verb}", OPERATE, 200, 403, 403, 403, {"reason": "as ordered"}) for verb in ("freeze", "unfreeze")],
    Route("POST", "/accounts/{idle_wallet}/overdraft", OPERATE, 200, 403, 403, 403, {"overdraft_limit": "0.00", "reason": "as ordered"}),
    Route("GET", "/webhooks", HOOKS[0], 200, 200, 200, 200),
    # In required mode a webhook cannot point to this machine.
    Route("POST", "/webhooks", HOOKS[1], 422, 422, 422, 422, {"url": "http://127.0.0.1:9/"}),
    Route("GET", "/webhooks/{webhook}", HOOKS[0], 200, 200, 404, 404, None, HOOK, {"webhook": NOWHERE}),
    Route("PATCH", "/webhooks/{webhook}", HOOKS[1], 200, 200, 404, 404, {"description": "Bob's"}, HOOK, {"webhook": NOWHERE}),
    Route("DELETE", "/webhooks/{webhook}", HOOKS[1], 204, 204, 404, 404, None, HOOK, {"webhook": NOWHERE}),
    Route("POST", "/webhooks/{webhook}/rotate_secret", HOOKS[1], 200, 200, 404, 404, {}, HOOK, {"webhook": NOWHERE}),
    Route("POST", "/webhooks/{webhook}/test", HOOKS[1], 200, 200, 404, 404, {}, HOOK, {"webhook": NOWHERE}),
    Route("GET", "/webhooks/{webhook}/deliveries", HOOKS[0], 200, 200, 404, 404, None, HOOK, {"webhook": NOWHERE}),
    Route("POST", "/webhooks/{webhook}/replay", HOOKS[1], 202, 202, 404, 404, {"event_ids": ["{transfer}"]}, HOOK, {"webhook": NOWHERE}),
    Route("POST", "/users", USERS[1], 201, 403, 403, 403, {"email": "{unique}@shop.example", "name": "Mira"}),
    Route("GET", "/users", USERS[0], 200, 200, 200, 200),
    Route("GET", "/users/{user}", USERS[0], 200, 200, 404, 404, None, USER, {"user": NOWHERE}),
    Route("PATCH", "/users/{user}", USERS[1], 200, 403, 403, 403, {"name": "Mira"}),
    Route("DELETE", "/users/{user}", USERS[1], 204, 403, 403, 403),
    Route(
        "POST", "/users/{user}/memberships", USERS[1], 201, 201, 404, 404,
        {"merchant_name": "{bob}", "role": "operator"}, MERCHANT, {"bob": NOBODY},
    ),
    Route("DELETE", "/users/{user}/memberships/{bob}", USERS[1], 204, 204, 404, 404, None, MERCHANT, {"bob": NOBODY}),
    Route("GET", "/approvals", Scope.APPROVALS_WRITE, 200, 403, 403, 403),
    Route("GET", "/approvals/{nowhere}", Scope.APPROVALS_WRITE, 404, 403, 403, 403, None, "approval_not_found"),
    Route("POST", "/approvals/{nowhere}/approve", Scope.APPROVALS_WRITE, 404, 403, 403, 403, {}, "approval_not_found"),
    Route("POST", "/approvals/{nowhere}/reject", Scope.APPROVALS_WRITE, 404, 403, 403, 403, {"reason": "no"}, "approval_not_found"),
    Route("GET", "/metrics", Scope.OPERATIONS_READ, 200, 403, 403, 403),
    Route("GET", "/operations/summary", Scope.OPERATIONS_READ, 200, 403, 403, 403),
    # They ask for a password or a refresh token, and whatever credential comes along is nothing to them.
    Route("POST", "/auth/token", None, 422, 422, 422, 422, {}),
    Route("POST", "/auth/token/refresh", None, 422, 422, 422, 422, {}),
    Route("GET", "/", None, 200, 200, 200, 200),
    Route("GET", "/healthz", None, 200, 200, 200, 200),
    Route("GET", "/readyz", None, 200, 200, 200, 200),
    Route("GET", "/.well-known/jwks.json", None, 200, 200, 200, 200),
    Route("GET", "/openapi.json", None, 200, 200, 200, 200),
    Route("GET", "/docs", None, 200, 200, 200, 200),
    Route("GET", "/errors/{code}", None, 200, 200, 200, 200),
]  # fmt: skip

IDS = [f"{route.method} {route.path} {next(iter(route.body or {}), '')}".strip() for route in ROUTES]
BAD = ("none", "garbage", "well-formed but unknown", "other scheme", "expired", "revoked")


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
@pytest.mark.parametrize("credential", [*BAD, "wrong scope", "platform", "own", "other", "payer"])
async def test_every_route_answers_every_kind_of_credential_by_the_rules(
    api: httpx.AsyncClient, world: World, required: None, route: Route, credential: str
) -> None:
    if credential == "wrong scope":
        others = set(Scope) - {route.scope}
        headers = bearer((await new_key(None, *others)).secret)
        expected = route.platform if route.scope is None else 403
    else:
        headers = world.headers[credential]
        expected = getattr(route, credential) if credential in {"platform", "own", "other", "payer"} else 401
        if route.scope is None:
            expected = route.platform
    response = await api.request(**route.request(world), headers={**headers, **key()})
    assert response.status_code == expected, response.text
    if response.status_code == 401:
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert response.json()["code"] == ("not_authenticated" if credential == "none" else "invalid_token")
    elif response.status_code == 403:
        assert response.json()["code"] == "permission_denied"
        if credential == "wrong scope" and route.scope is not None:
            assert response.json()["required_scope"] == route.scope.value
    elif response.status_code == 404:
        missing = await api.request(**route.request(world, **route.twin), headers={**headers, **key()})
        assert missing.status_code == 404
        assert shape(response) == shape(missing)
        assert response.json()["code"] == route.not_found


def shape(response: httpx.Response) -> dict[str, object]:
    """Return all of an answer but what was asked for and when."""
    body = dict(response.json())
    del body["request_id"]
    asked = re.compile(r"m-[0-9a-f]{6}-\d+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|" + NOBODY)
    headers = {name for name in response.headers if name != "x-request-id"}
    return {**{member: asked.sub("<asked for>", str(value)) for member, value in body.items()}, "headers": headers}


def test_every_route_of_the_service_is_among_them_and_says_what_it_needs() -> None:
    found: dict[tuple[str, str], Scope | None] = {}
    others: set[str] = set()

    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> None:
        for pattern in patterns:
            path = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                walk(pattern.url_patterns, path)
            elif issubclass(view := getattr(pattern.callback, "view_class", object), ApiView):
                for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
                    if hasattr(view, method.lower()):
                        assert view.is_public or method in view.scopes, f"{method} {path} does not say which scope it needs"
                        found[method, "/" + re.sub(r"<[^>]+>", "{}", path)] = view.scope_of(method)
            else:
                others.add(path)

    walk(get_resolver().url_patterns, "")
    walked = {(route.method, re.sub(r"\{\w+\}", "{}", route.path)): route.scope for route in ROUTES}
    assert found == walked
    # What is no call of the API is a page of the admin, which tests/hardening/test_admin_access.py walks, or of the portal.
    assert others
    assert all(f"{path}/".startswith(("admin/", "app/")) for path in others)


async def test_a_merchant_finds_only_itself_and_its_own_movements_in_lists(api: httpx.AsyncClient, world: World, required: None) -> None:
    async def ids(credential: str, path: str, **query: str) -> set[str]:
        found: set[str] = set()
        cursor: str | None = ""
        while cursor is not None:
            paging = {"cursor": cursor} if cursor else {}
            response = await api.get(path, params={**query, **paging, "limit": "20"}, headers=world.headers[credential])
            assert response.status_code == 200, response.text
            found |= {item["id"] for item in response.json()["items"]}
            cursor = response.json()["next_cursor"]
        return found

    assert len(await ids("other", "/merchants")) == 1
    assert await ids("other", "/merchants", search=world.bob) == set()
    assert world.transfer in await ids("own", "/transfers", **{"from": "", "to": ""})
    assert world.transfer in await ids("payer", "/transfers")
    assert world.transfer not in await ids("other", "/transfers")
    assert world.transfer in await ids("own", "/transfers", **{"from": world.alice})
    assert world.transfer not in await ids("own", "/transfers", to=world.alice)
    assert world.transfer in await ids("payer", "/transfers", to=world.bob, kind="transfer")
    assert await ids("payer", "/transfers", **{"from": world.carol}) == set()
    assert await ids("other", "/transfers", **{"from": world.alice}) == set()
    assert await ids("other", "/transfers", **{"from": world.alice, "to": world.bob}) == set()
    for credential in ("own", "payer"):
        assert world.hold in await ids(credential, "/holds", status="open")
        assert world.hold in await ids(credential, "/holds", merchant=world.alice, status="open")
    assert await ids("other", "/holds", merchant=world.alice) == await ids("other", "/holds") == set()


async def test_an_external_reference_is_found_by_its_parties_only(api: httpx.AsyncClient, world: World, settings: Any) -> None:
    reference = unique("ref")
    made = (await transfer(api, world.alice, world.bob, 5, external_reference=reference)).json()["id"]
    settings.LEDGER_AUTH = "required"
    for credential, expected in (("own", [made]), ("payer", [made]), ("other", []), ("platform", [made])):
        response = await api.get("/transfers", params={"external_reference": reference}, headers=world.headers[credential])
        assert [item["id"] for item in response.json()["items"]] == expected


async def test_a_party_sees_the_entries_of_its_own_accounts_only(api: httpx.AsyncClient, world: World, required: None) -> None:
    accounts = {}
    for credential in ("platform", "own", "payer"):
        response = await api.get(f"/transfers/{world.transfer}", headers=world.headers[credential])
        accounts[credential] = {entry["account_id"] for entry in response.json()["entries"]}
    assert accounts["own"] == {world.wallets[world.bob]}
    assert world.wallets[world.bob] not in accounts["payer"]
    assert accounts["own"] | accounts["payer"] == accounts["platform"]


async def test_an_item_of_a_batch_debits_only_its_own_merchant(api: httpx.AsyncClient, world: World, required: None) -> None:
    def item(source: str, target: str) -> dict[str, Any]:
        return {"idempotency_key": unique(), "from_merchant": source, "to_merchant": target, "currency": "USD", "amount_minor": 1}

    items = [item(world.bob, world.carol), item(world.alice, world.bob), item(NOBODY, world.bob)]
    response = await api.post("/transfers/batch", json={"transfers": items}, headers={**world.headers["own"], **key()})
    assert [result["status"] for result in response.json()["results"]] == [201, 404, 404]
    assert [result["error"]["code"] for result in response.json()["results"][1:]] == [MERCHANT, MERCHANT]


async def test_a_merchant_cannot_give_back_the_platforms_fee(api: httpx.AsyncClient, world: World, required: None) -> None:
    path = f"/transfers/{world.transfer}/reverse"
    for credential, expected in (("own", 403), ("platform", 201)):
        response = await api.post(path, json={"refund_fee": True}, headers={**world.headers[credential], **key()})
        assert response.status_code == expected, response.text


async def test_what_is_another_merchants_is_remembered_like_what_does_not_exist(
    api: httpx.AsyncClient, world: World, required: None
) -> None:
    for request in (ROUTES[IDS.index("POST /holds/{hold}/void")], ROUTES[IDS.index("POST /transfers from_merchant")]):
        for missing in ({}, request.twin):
            headers = {**world.headers["other"], **key()}
            first = await api.request(**request.request(world, **missing), headers=headers)
            again = await api.request(**request.request(world, **missing), headers=headers)
            assert (first.status_code, again.content, again.headers.get("idempotent-replayed")) == (404, first.content, "true")


async def test_a_denied_request_leaves_its_key_free(api: httpx.AsyncClient, world: World, required: None) -> None:
    headers = key()
    path = f"/transfers/{world.transfer}/reverse"
    assert (await api.post(path, json={}, headers={**world.headers["payer"], **headers})).status_code == 403
    assert (await api.post(path, json={"amount_minor": 1}, headers={**world.headers["own"], **headers})).status_code == 201


async def test_nothing_of_a_body_is_read_before_the_caller_is_known(api: httpx.AsyncClient, required: None) -> None:
    for content, media_type in ((b"{", "application/json"), (b"x", "text/plain"), (b" " * (2**20 + 1), "application/json")):
        response = await api.post("/transfers", content=content, headers={"Content-Type": media_type})
        assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")


async def test_a_capture_that_lacks_funds_does_not_tell_the_receiver_what_the_payer_has(api: httpx.AsyncClient, settings: Any) -> None:
    payer, receiver = await merchant(api, "2.00"), await merchant(api)
    identity = (await identify(names=[payer])).merchant(payer)
    assert identity is not None
    # A smaller amount costs more than the hold reserved, and the payer has nothing beside the reserve.
    tiers = [{"up_to_minor": 100, "flat_minor": 150}, {"up_to_minor": None}]
    draft = FeeSchedule(
        merchant_id=identity.id, currency_id="USD", tiers=tiers, tier_mode="volume", effective_from=datetime.now(UTC), note="odd"
    )
    await in_reader(append_schedule, draft, by=None)
    body = {"from_merchant": payer, "to_merchant": receiver, "currency": "USD", "amount_minor": 200}
    hold = (await api.post("/holds", json=body, headers=key())).json()
    assert hold["reserved_minor"] == 200
    credentials = {"platform": (await new_key()).secret, "receiver": (await new_key(receiver)).secret}
    settings.LEDGER_AUTH = "required"
    answers = {
        who: await api.post(f"/holds/{hold['id']}/capture", json={"amount_minor": 100}, headers={**bearer(secret), **key()})
        for who, secret in credentials.items()
    }
    assert {(answer.status_code, answer.json()["code"]) for answer in answers.values()} == {(409, "insufficient_funds")}
    assert answers["platform"].json()["available_minor"] == 0
    assert not {"available", "available_minor", "required"} & set(answers["receiver"].json())
    assert payer not in answers["receiver"].text
