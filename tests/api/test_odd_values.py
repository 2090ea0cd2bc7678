"""Odd values everywhere: each parameter of each path, query and body of the API gets them, and none is ever a mistake of ours.

All routes are walked and all declared fields, so a new one is tried as well.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Iterable
from itertools import islice
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx
import pytest
from rest_framework import serializers

from events.models import Webhook
from events.serializers.webhooks import NoBody, ReplayBody, WebhookBody, WebhookChangeBody
from ledger_project.database.readers import in_reader
from ledger_project.http.fields import Timestamp
from merchants.serializers import AccountBody, MerchantChangeBody, RegistrationBody
from people.serializers import MembershipBody, NothingBody, RefreshBody, TokenBody, UserBody, UserChangeBody
from tests.support.api_routes import ApiRoute, api_routes
from tests.support.factories import key, merchant, transfer, unique, wallet
from transfers.serializers.batches import BatchBody, BatchItemBody
from transfers.serializers.holds import CaptureBody, HoldBody, VoidBody
from transfers.serializers.movements import MovementBody
from transfers.serializers.operator_actions import OverdraftBody, ReasonBody
from transfers.serializers.reversals import ReverseBody
from transfers.serializers.transfers import TransferBody

DATES = [
    "2026-02-30", "2026-02-30T00:00:00Z", "0000-01-01", "0000-01-01T00:00:00Z", "0001-01-01", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00",
    "9999-12-31", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999-14:00", "9999-12-31T23:59:59+23:59", "2026-01-01T24:00:00Z",
    "2026-12-31T23:59:60Z", "2026-01-01T00:00:00+99:99", "-0001-01-01", "10000-01-01", "2026-W01-1", "20260101", "infinity", "-infinity", "today",
]  # fmt: skip
NUMBERS = [
    "Infinity",
    "-Infinity",
    "NaN",
    "sNaN",
    "1e400",
    "1e-400",
    "-0",
    "9" * 30,
    "9" * 5000,
    "-" + "9" * 400,
    "0x10",
    "1_000",
    "٣",
    "1/0",
]
TEXTS = [
    "\x00", "a\x00b", "\x01\x7f\x85", "\ufffe\uffff", "\ufeff", "\u202e", "K", "İ", "x" * 300, "é" * 3000, "%", "%00", "..", "../..", "'", '"', "\\",
    "' OR 1=1 --", "${x}", "{}", "%s", "\r\nX: y", "null", "true", "[]", "😀",
]  # fmt: skip
NOT_TEXT = ["%ED%A0%80", "%ff", "%zz", "%", "%C0%80", "%00", "%F4%90%80%80"]
"""Bytes of addresses that are no characters, or no escapes at all."""

ODD = [*TEXTS, *NUMBERS, *DATES[::5]]
JSON_ODD: list[Any] = [
    "\x00", "a\x00b", "\ufffe", "\u202e", "K", "x" * 300, "%s", "", "😀", "Infinity", "NaN", "9" * 5000, "-0", "9999-12-31T23:59:59.999999-14:00", None,
    True, -1, 1.5, 10**30 + 1, 10**3900, 1e308, [], {}, {"\x00": 1}, {"a": {"b": "\x00"}}, [None],
]  # fmt: skip

BODIES = {
    "/merchants": RegistrationBody, "/merchants/{}/accounts": AccountBody, "/accounts/{}/deposit": MovementBody,
    "/accounts/{}/withdraw": MovementBody, "/transfers": TransferBody, "/transfers/quote": TransferBody, "/transfers/batch": BatchBody,
    "/transfers/{}/reverse": ReverseBody, "/holds": HoldBody, "/holds/{}/capture": CaptureBody, "/holds/{}/void": VoidBody,
    "/auth/token": TokenBody, "/auth/token/refresh": RefreshBody, "/merchants/{}": MerchantChangeBody,
    "/accounts/{}/overdraft": OverdraftBody, "/webhooks": WebhookBody, "/webhooks/{}": WebhookChangeBody, "/webhooks/{}/replay": ReplayBody,
    "/users": UserBody, "/users/{}": UserChangeBody, "/users/{}/memberships": MembershipBody, "/users/{}/memberships/{}": NothingBody,
    "/webhooks/{}/rotate_secret": NoBody, "/webhooks/{}/test": NoBody, "/approvals/{}/approve": NoBody, "/approvals/{}/reject": ReasonBody,
    **dict.fromkeys([f"/merchants/{{}}/{verb}" for verb in ("freeze", "unfreeze", "close")], ReasonBody),
    **dict.fromkeys([f"/accounts/{{}}/{verb}" for verb in ("freeze", "unfreeze")], ReasonBody),
}  # fmt: skip
ROUTES = api_routes()


def check(response: httpx.Response, *about: object) -> None:
    assert response.status_code < 500, (*about, response.text)
    assert response.status_code < 400 or response.headers["content-type"] == "application/problem+json"


def test_every_call_with_a_body_is_walked() -> None:
    assert {route.path for route in ROUTES if route.method not in {"GET", "HEAD"}} == set(BODIES)


async def together(calls: Iterable[Awaitable[None]]) -> None:
    """Make the calls, 50 at a time."""
    waiting = iter(calls)
    while some := list(islice(waiting, 50)):
        await asyncio.gather(*some)


async def test_any_text_in_a_path_names_nothing(api: httpx.AsyncClient) -> None:
    async def ask(route: ApiRoute, value: str) -> None:
        body = {"json": sample(route.path)} if route.method in {"POST", "PATCH"} else {}
        response = await api.request(route.method, route.filled(value), headers=key(), **body)
        check(response, route.method, route.filled(value))
        if response.request.url.path != "/":  # the client makes the first page of /merchants/..
            assert response.status_code in {404, 405}, (route.method, route.filled(value), response.text)

    values = [*(quote(text, safe="") for text in ODD), *NOT_TEXT]
    await together(ask(route, value) for route in ROUTES if "{}" in route.path for value in values)


def sample(path: str) -> dict[str, Any]:
    """Return a body that is right but for whom or what it names."""
    amount = {"amount": "1.00"}
    named = {"from_merchant": "no-one", "to_merchant": "nobody", "currency": "USD", **amount}
    return {
        "/merchants": {"merchant_name": unique()},
        "/merchants/{}/accounts": {"currency": "USD"},
        "/transfers/batch": {"transfers": [{"idempotency_key": unique(), **named}]},
        "/holds/{}/void": {},
        "/merchants/{}": {},
        "/webhooks": {"url": "http://127.0.0.1:9/", "types": ["fees.settled"]},
        "/webhooks/{}/replay": {"event_ids": [str(UUID(int=1))]},
        **{path: {} for path in ("/webhooks/{}", "/webhooks/{}/rotate_secret", "/webhooks/{}/test", "/approvals/{}/approve")},
        "/accounts/{}/overdraft": {"overdraft_limit": "1.00", "reason": "as ordered"},
        **{where: {"reason": "as ordered"} for where, body in BODIES.items() if body is ReasonBody},
        "/users": {"email": f"{unique('odd')}@shop.example", "name": "Mira"},
        "/users/{}/memberships": {"merchant_name": "nobody", "role": "owner"},
        **{path: {} for path in ("/users/{}", "/users/{}/memberships/{}")},
        "/auth/token": {"username": "nobody", "password": "wrong"},
        "/auth/token/refresh": {"refresh": "x"},
    }.get(path, named if path in {"/transfers", "/transfers/quote", "/holds"} else amount)


@pytest.fixture(scope="module")
async def real(api: httpx.AsyncClient) -> dict[str, str]:
    """What there is for each kind of path: a merchant, its account, its transfer, its hold."""
    name, other = await merchant(api, "1000.00"), await merchant(api)
    hold = {"from_merchant": name, "to_merchant": other, "currency": "USD", "amount": "1.00"}
    return {
        "merchants": name,
        "accounts": await wallet(api, name),
        "transfers": (await transfer(api, name, other, 100)).json()["id"],
        "holds": (await api.post("/holds", json=hold, headers=key())).json()["id"],
        "webhooks": (await api.post("/webhooks", json=sample("/webhooks"))).json()["id"],
        "users": (await api.post("/users", json=sample("/users"))).json()["id"],
        "events": (await transfer(api, name, other, 100)).json()["id"],
    }


async def test_any_text_in_a_query_is_taken_or_refused(api: httpx.AsyncClient, real: dict[str, str]) -> None:
    async def ask(address: str) -> None:
        check(await api.get(address), address)

    for route in ROUTES:
        declared = route.view.queries.get(route.method)
        path = route.filled(real.get(route.path.split("/")[1], ""))
        for name, field in declared().fields.items() if declared is not None and route.method == "GET" else []:
            values = DATES if isinstance(field, Timestamp | serializers.DateField) else ODD
            await together(ask(f"{path}?{name}={value}") for value in (*(quote(text, safe="") for text in values), *NOT_TEXT))


async def test_any_value_in_a_body_is_taken_or_refused(api: httpx.AsyncClient, real: dict[str, str]) -> None:
    async def ask(method: str, path: str, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **key()}
        check(await api.request(method, path, content=content, headers=headers), path, content[:300])

    for route in sorted(ROUTES, key=lambda route: route.path.endswith(("freeze", "close"))):
        if route.method in {"GET", "HEAD"}:
            continue
        path = route.filled(real.get(route.path.split("/")[1], ""))
        good = sample(route.path)
        # Each password that is a text costs a large part of a second, on purpose: one of them is enough.
        values = [value for value in JSON_ODD if not isinstance(value, str) or value in {"\x00", "😀"}] if "password" in good else JSON_ODD
        await together(ask(route.method, path, good | {name: value}) for name in BODIES[route.path]().fields for value in values)
    await in_reader(lambda: Webhook.objects.update(status="deleted"))


async def test_any_value_in_an_item_of_a_batch_fails_alone(api: httpx.AsyncClient) -> None:
    named = sample("/transfers")
    odd = [{"idempotency_key": unique(), **named, name: value} for name in BatchItemBody().fields for value in JSON_ODD]
    for start in range(0, len(odd), 900):
        response = await api.post("/transfers/batch", json={"transfers": odd[start : start + 900]}, headers=key())
        check(response)
        results = response.json()["results"]
        assert {result["status"] for result in results} <= {400, 404, 409, 422}, results


@pytest.mark.parametrize("raw", [b"Infinity", b"-Infinity", b"NaN", b'"\\ud800"', b'"\\uDFFF\\uD800"'])
async def test_what_json_has_no_word_for_is_malformed_everywhere(api: httpx.AsyncClient, raw: bytes) -> None:
    for route in ROUTES:
        if route.method not in {"GET", "HEAD"} and not route.path.startswith("/auth"):
            for body in (b'{"amount": %s}' % raw, b'{"metadata": {"a": [%s]}}' % raw, raw):
                response = await api.request(
                    route.method, route.filled(), content=body, headers={"Content-Type": "application/json", **key()}
                )
                assert (response.status_code, response.json()["code"]) == (400, "malformed_json"), (route.path, body[:100])


async def test_any_key_is_a_key_or_invalid(api: httpx.AsyncClient) -> None:
    for value in ODD:
        raw = value.encode()
        if b"\r" in raw or b"\n" in raw:
            continue
        headers = [(b"Idempotency-Key", raw), (b"X-Request-Id", raw), (b"Content-Type", b"application/json")]
        check(await api.post("/transfers", content=json.dumps(sample("/transfers")).encode(), headers=headers), value)
