"""Every row of the contract's table on idempotency, over every call that posts: one test, all pairs that apply."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.test import override_settings

from ledger_project.database.readers import in_reader
from tests.support.factories import key, merchant, transfer, unique, wallet
from tests.support.keys import claim_of
from tests.support.service_role import owner_connection
from transfers.models import IdempotencyRecord, Transfer

UNKNOWN = "01a1fc35-d5a5-775d-b78f-46dff00cbdd2"

SHORT_WAIT = override_settings(LEDGER_IDEMPOTENCY_WAIT=0.3)
"""Only where a wait is to end in vain: a busy machine may need long for what is to succeed."""


@dataclass(frozen=True)
class Call:
    """A call that succeeds, one that is refused where the money is, and what is wrong with a request of its kind."""

    path: str
    body: dict[str, Any]
    other: dict[str, Any]
    refused: tuple[str, dict[str, Any], str]
    invalid: list[tuple[dict[str, Any], str]] = field(default_factory=list)


async def _pair(api: httpx.AsyncClient) -> tuple[str, str]:
    return await merchant(api, "100"), await merchant(api, "100")


async def _transfer(api: httpx.AsyncClient) -> Call:
    source, target = await _pair(api)
    body = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount": "5"}
    invalid = [
        (body | {"to_merchant": source}, "same_account"),
        (body | {"currency": "usd"}, "unknown_currency"),
        (body | {"amount": "x"}, "validation_error"),
    ]
    return Call("/transfers", body, body | {"amount": "5.0"}, ("/transfers", body | {"amount": "5000"}, "insufficient_funds"), invalid)


async def _batch(api: httpx.AsyncClient) -> Call:
    single = (await _transfer(api)).body
    items = [single | {"idempotency_key": key()["Idempotency-Key"]} for _ in range(2)]
    refused = {"transfers": [items[0] | {"amount": "5000"}], "atomic": True}
    invalid = [
        ({"transfers": []}, "validation_error"),
        ({"transfers": [single | {"currency": "x", "idempotency_key": "k"}], "atomic": True}, "unknown_currency"),
    ]
    return Call(
        "/transfers/batch", {"transfers": items}, {"transfers": items[:1]}, ("/transfers/batch", refused, "insufficient_funds"), invalid
    )


async def _deposit(api: httpx.AsyncClient) -> Call:
    path = f"/accounts/{await wallet(api, await merchant(api, '100'))}/deposit"
    refused = (f"/accounts/{UNKNOWN}/deposit", {"amount": "5"}, "account_not_found")
    return Call(path, {"amount": "5"}, {"amount": "6"}, refused, [({"amount": "5.001"}, "validation_error"), ({}, "validation_error")])


async def _withdraw(api: httpx.AsyncClient) -> Call:
    path = f"/accounts/{await wallet(api, await merchant(api, '100'))}/withdraw"
    return Call(
        path,
        {"amount": "5"},
        {"amount": "6"},
        (path, {"amount": "5000"}, "insufficient_funds"),
        [({"amount_minor": 0}, "validation_error")],
    )


async def _reverse(api: httpx.AsyncClient) -> Call:
    source, target = await _pair(api)
    path = f"/transfers/{(await transfer(api, source, target, 100)).json()['id']}/reverse"
    return Call(
        path, {}, {"refund_fee": True}, (path, {"amount": "5000"}, "reversal_exceeds_original"), [({"amount": "0"}, "validation_error")]
    )


async def _hold(api: httpx.AsyncClient) -> Call:
    source, target = await _pair(api)
    body = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount": "5"}
    invalid = [
        (body | {"to_merchant": source}, "same_account"),
        (body | {"currency": "?"}, "unknown_currency"),
        (body | {"expires_in": 0}, "validation_error"),
    ]
    return Call("/holds", body, body | {"expires_in": 60}, ("/holds", body | {"amount": "5000"}, "insufficient_funds"), invalid)


async def _placed(api: httpx.AsyncClient) -> str:
    found: str = (await api.post("/holds", json=(await _hold(api)).body, headers=key())).json()["id"]
    return found


async def _capture(api: httpx.AsyncClient) -> Call:
    path = f"/holds/{await _placed(api)}/capture"
    return Call(path, {}, {"amount": "1"}, (path, {"amount": "5000"}, "capture_exceeds_hold"), [({"amount": 1}, "validation_error")])


async def _void(api: httpx.AsyncClient) -> Call:
    refused = (f"/holds/{UNKNOWN}/void", {}, "hold_not_found")
    return Call(f"/holds/{await _placed(api)}/void", {}, {}, refused, [({"amount": "1"}, "validation_error")])


async def _register(api: httpx.AsyncClient) -> Call:
    body = {"merchant_name": unique(), "currency": "USD", "initial_balance": "5"}
    taken = body | {"merchant_name": await merchant(api)}
    invalid = [(body | {"currency": "usd"}, "unknown_currency"), (body | {"initial_balance": 5}, "validation_error")]
    return Call("/merchants", body, body | {"initial_balance": "6"}, ("/merchants", taken, "merchant_exists"), invalid)


async def _open(api: httpx.AsyncClient) -> Call:
    path = f"/merchants/{await merchant(api, '5')}/accounts"
    invalid = [({"currency": "eur"}, "unknown_currency"), ({}, "validation_error")]
    return Call(path, {"currency": "EUR"}, {"currency": "JPY"}, (path, {"currency": "USD"}, "account_exists"), invalid)


def _acting(path: str, refused: str, **body: str) -> Callable[[httpx.AsyncClient], Awaitable[Call]]:
    """An operators' action on a merchant without money, or on its wallet; ``refused`` is the code for what is not there, or has money."""

    async def make(api: httpx.AsyncClient) -> Call:
        name, rich = await merchant(api, "0"), await merchant(api, "5")
        names = {"name": name, "account_id": await wallet(api, name)}
        others = {"name": rich if refused == "account_not_empty" else "nobody-here", "account_id": UNKNOWN}
        reason = {**body, "reason": "as ordered"}
        invalid = [(body, "validation_error"), (reason | {"reason": " "}, "validation_error")]
        return Call(path.format(**names), reason, reason | {"reason": "again"}, (path.format(**others), reason, refused), invalid)

    return make


async def _invite(api: httpx.AsyncClient) -> Call:
    body = {"email": f"{unique()}@shop.example", "name": "Mira", "merchants": [{"merchant_name": await merchant(api)}]}
    taken = body | {"email": f"{unique()}@shop.example"}
    await api.post("/users", json=taken)
    return Call("/users", body, body | {"name": "Ada"}, ("/users", taken, "user_exists"), [(body | {"email": "x"}, "validation_error")])


async def _member(api: httpx.AsyncClient) -> Call:
    user = (await api.post("/users", json={"email": f"{unique()}@shop.example", "name": "Mira"})).json()["id"]
    path, body = f"/users/{user}/memberships", {"merchant_name": await merchant(api), "role": "viewer"}
    refused = (path, body | {"merchant_name": "nobody-here"}, "merchant_not_found")
    return Call(path, body, body | {"role": "owner"}, refused, [(body | {"role": "king"}, "validation_error")])


CALLS: dict[str, Callable[[httpx.AsyncClient], Awaitable[Call]]] = {
    "/transfers": _transfer,
    "/transfers/batch": _batch,
    "/transfers/{transfer_id}/reverse": _reverse,
    "/accounts/{account_id}/deposit": _deposit,
    "/accounts/{account_id}/withdraw": _withdraw,
    "/holds": _hold,
    "/holds/{hold_id}/capture": _capture,
    "/holds/{hold_id}/void": _void,
    "/merchants": _register,
    "/merchants/{name}/accounts": _open,
    "/users": _invite,
    "/users/{user_id}/memberships": _member,
}
SEALED = {"/users"}
"""Calls whose stored answers are about a person, and can be erased: tests/api/test_users.py."""
ACTIONS = {
    "/merchants/{name}/freeze": _acting("/merchants/{name}/freeze", "merchant_not_found"),
    "/merchants/{name}/unfreeze": _acting("/merchants/{name}/unfreeze", "merchant_not_found"),
    "/merchants/{name}/close": _acting("/merchants/{name}/close", "account_not_empty"),
    "/accounts/{account_id}/freeze": _acting("/accounts/{account_id}/freeze", "account_not_found"),
    "/accounts/{account_id}/unfreeze": _acting("/accounts/{account_id}/unfreeze", "account_not_found"),
    "/accounts/{account_id}/overdraft": _acting("/accounts/{account_id}/overdraft", "account_not_found", overdraft_limit="5"),
}
CALLS |= ACTIONS
PEOPLE = {"/users", "/users/{user_id}/memberships"}
KEY_IS_OPTIONAL = {"/merchants", "/merchants/{name}/accounts", *PEOPLE, *ACTIONS}
WITHOUT_KEYS = {"/transfers/quote", *(f"/approvals/{{approval_id}}/{verb}" for verb in ("approve", "reject"))}
WEBHOOKS = {"/webhooks", *(f"/webhooks/{{webhook_id}}/{verb}" for verb in ("rotate_secret", "test", "replay"))}
"""Their replays are without secrets: tests/api/test_webhooks.py."""
AUTHENTICATION = {"/auth/token", "/auth/token/refresh"}
"""Moves nothing, stores nothing, needs no key."""

JSON_TYPE = {"Content-Type": "application/json"}
BAD_KEYS = ["", " ", '""', '"', '"a', "a b", "x" * 256, '"' + "x" * 256 + '"', "\x01", '"é"', "naïve", '"a\\x"', '"a"b', "\x7f"]


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


async def records(headers: dict[str, str]) -> list[IdempotencyRecord]:
    return await in_reader(list, IdempotencyRecord.objects.filter(key=headers["Idempotency-Key"]))


async def succeeds(api: httpx.AsyncClient, call: Call, headers: dict[str, str]) -> httpx.Response:
    response = await api.post(call.path, json=call.body, headers=headers)
    assert response.status_code in {200, 201}, response.text
    assert "Idempotent-Replayed" not in response.headers
    return response


# --- the rows ---------------------------------------------------------------------------------------------------------------


async def a_missing_key_is_refused(api: httpx.AsyncClient, call: Call) -> None:
    assert code(await api.post(call.path, json=call.body)) == (400, "idempotency_key_missing")


async def a_key_that_is_not_required_may_be_missing(api: httpx.AsyncClient, call: Call) -> None:
    assert (await api.post(call.path, json=call.body)).status_code in {200, 201}


async def a_key_of_other_characters_or_too_long_is_refused(api: httpx.AsyncClient, call: Call) -> None:
    for bad in BAD_KEYS:
        response = await api.post(call.path, json=call.body, headers=[(b"Idempotency-Key", bad.encode("latin-1"))])
        assert code(response) == (400, "idempotency_key_invalid"), bad
    await succeeds(api, call, {"Idempotency-Key": unique() + "!" * 200})


async def a_key_has_two_spellings(api: httpx.AsyncClient, call: Call) -> None:
    bare = key()["Idempotency-Key"] + '"\\'
    first = await succeeds(api, call, {"Idempotency-Key": bare})
    quoted = '"' + bare.replace("\\", "\\\\").replace('"', '\\"') + '"'
    second = await api.post(call.path, json=call.body, headers={"Idempotency-Key": quoted})
    assert (second.content, second.headers["Idempotent-Replayed"]) == (first.content, "true")


async def what_is_wrong_with_the_request_leaves_the_key_free(api: httpx.AsyncClient, call: Call) -> None:
    headers = key()
    for content, content_type, expected in [
        (b"{", "application/json", (400, "malformed_json")),
        (b'{"a": NaN}', "application/json", (400, "malformed_json")),
        (b"\xff", "application/json", (400, "malformed_json")),
        (b"[" * 17 + b"]" * 17, "application/json", (400, "malformed_json")),
        (b"[]", "application/json", (422, "validation_error")),
        (json.dumps(call.body | {"surprise": 1}).encode(), "application/json", (422, "validation_error")),
        (b"a=1", "application/x-www-form-urlencoded", (415, "unsupported_media_type")),
        (b" " * (1024 * 1024 + 1), "application/json", (413, "payload_too_large")),
    ]:
        assert code(await api.post(call.path, content=content, headers=headers | {"Content-Type": content_type})) == expected
    for body, expected_code in call.invalid:
        assert code(await api.post(call.path, json=body, headers=headers)) == (422, expected_code)
    assert await records(headers) == []
    await succeeds(api, call, headers)


async def success_is_stored_with_the_money(api: httpx.AsyncClient, call: Call) -> None:
    headers = key()
    response = await succeeds(api, call, headers)
    (record,) = await records(headers)
    assert record.status_code == response.status_code
    assert record.body == response.text or call.path in SEALED
    assert timedelta(days=7) < record.expires_at - record.created_at <= timedelta(days=8)
    if record.transfer_id is not None:
        made = await in_reader(Transfer.objects.get, id=record.transfer_id)
        assert made.request_id == response.headers["X-Request-Id"]


async def a_refusal_is_stored_and_sticks(api: httpx.AsyncClient, call: Call) -> None:
    path, body, expected = call.refused
    headers = key()
    first = await api.post(path, json=body, headers=headers)
    assert first.json()["code"] == expected, first.text
    (record,) = await records(headers)
    assert (record.status_code, record.body, record.transfer_id) == (first.status_code, first.text, None)
    second = await api.post(path, json=body, headers=headers)
    assert (second.status_code, second.content, second.headers["Idempotent-Replayed"]) == (first.status_code, first.content, "true")
    assert first.headers["content-type"] == second.headers["content-type"] == "application/problem+json"
    assert second.headers["X-Request-Id"] != first.headers["X-Request-Id"] == first.json()["request_id"]


async def a_server_fault_leaves_the_key_free(api: httpx.AsyncClient, call: Call) -> None:
    headers = key()
    lock = "LOCK TABLE merchants_merchant, merchants_account, transfers_transfer IN EXCLUSIVE MODE"
    with locked(lock), SHORT_WAIT:
        response = await api.post(call.path, json=call.body, headers=headers)
    known = {name.rpartition("/")[2] for name in {*ACTIONS, *PEOPLE}}
    assert code(response) == (503, "account_busy" if call.path.rpartition("/")[2] in known else "database_unavailable")
    assert int(response.headers["Retry-After"]) >= 1
    assert await records(headers) == []
    await succeeds(api, call, headers)


async def a_repeated_request_gets_the_same_bytes(api: httpx.AsyncClient, call: Call) -> None:
    headers = key()
    first = await succeeds(api, call, headers)
    turned = json.dumps(dict(reversed(call.body.items())), indent=3)
    for content in (json.dumps(call.body), turned):
        second = await api.post(call.path, content=content, headers=headers | JSON_TYPE)
        assert (second.status_code, second.content, second.headers["Idempotent-Replayed"]) == (first.status_code, first.content, "true")
        assert second.headers["content-type"] == first.headers["content-type"] == "application/json"


async def another_path_or_body_is_another_request(api: httpx.AsyncClient, call: Call) -> None:
    headers = key()
    await succeeds(api, call, headers)
    if call.other != call.body:
        assert code(await api.post(call.path, json=call.other, headers=headers)) == (409, "idempotency_key_reused")
    path, body, _ = call.refused
    if (path, body) != (call.path, call.body):
        assert code(await api.post(path, json=body, headers=headers)) == (409, "idempotency_key_reused")
    elsewhere = await (_deposit if "deposit" not in call.path else _hold)(api)
    assert code(await api.post(elsewhere.path, json=elsewhere.body, headers=headers)) == (409, "idempotency_key_reused")
    await succeeds(api, elsewhere, key())


async def the_same_request_to_another_object_is_another_request(api: httpx.AsyncClient, call: Call) -> None:
    """An empty body to two holds is two requests: the path belongs to the fingerprint."""
    again = await next(make for route, make in CALLS.items() if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route), call.path))(api)
    if again.path == call.path:
        return
    headers = key()
    await succeeds(api, call, headers)
    assert code(await api.post(again.path, json=call.body, headers=headers)) == (409, "idempotency_key_reused")


async def while_the_first_one_runs_a_second_is_told_so(api: httpx.AsyncClient, call: Call) -> None:
    headers = key()
    with locked(claim_of(headers["Idempotency-Key"])), SHORT_WAIT:
        response = await api.post(call.path, json=call.body, headers=headers)
        assert code(response) == (409, "idempotency_in_progress")
        assert int(response.headers["Retry-After"]) >= 1
    await succeeds(api, call, headers)


async def of_ten_at_once_one_is_executed_and_all_get_its_answer(api: httpx.AsyncClient, call: Call) -> None:
    headers = key()
    answers = await asyncio.gather(*[api.post(call.path, json=call.body, headers=headers) for _ in range(10)])
    assert len({(answer.status_code, answer.content) for answer in answers}) == 1
    assert sorted("Idempotent-Replayed" in answer.headers for answer in answers) == [False] + [True] * 9
    assert len(await records(headers)) == 1


ROWS = [
    a_missing_key_is_refused,
    a_key_that_is_not_required_may_be_missing,
    a_key_of_other_characters_or_too_long_is_refused,
    a_key_has_two_spellings,
    what_is_wrong_with_the_request_leaves_the_key_free,
    success_is_stored_with_the_money,
    a_refusal_is_stored_and_sticks,
    a_server_fault_leaves_the_key_free,
    a_repeated_request_gets_the_same_bytes,
    another_path_or_body_is_another_request,
    the_same_request_to_another_object_is_another_request,
    while_the_first_one_runs_a_second_is_told_so,
    of_ten_at_once_one_is_executed_and_all_get_its_answer,
]


def _applies(route: str, row: Callable[..., object]) -> bool:
    if row is a_missing_key_is_refused:
        return route not in KEY_IS_OPTIONAL
    if row is a_key_that_is_not_required_may_be_missing:
        return route in KEY_IS_OPTIONAL
    return True


PAIRS = [(route, row) for row in ROWS for route in CALLS if _applies(route, row)]


@contextmanager
def locked(statement: str) -> Iterator[None]:
    """Run a statement in a transaction of somebody else's that stays open meanwhile, and is rolled back."""
    with owner_connection() as raw:
        raw.execute(statement)
        yield
        raw.rollback()


@pytest.mark.parametrize(("route", "row"), PAIRS, ids=[f"{row.__name__}:{route}" for route, row in PAIRS])
async def test_the_table_holds(api: httpx.AsyncClient, route: str, row: Callable[[httpx.AsyncClient, Call], Awaitable[None]]) -> None:
    await row(api, await CALLS[route](api))


async def test_no_call_that_posts_is_left_out(api: httpx.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    posting = {path for path, calls in document["paths"].items() if "post" in calls}
    assert posting - AUTHENTICATION == set(CALLS) | WITHOUT_KEYS | WEBHOOKS
    for path in posting - AUTHENTICATION - WEBHOOKS:
        parameters = {p["name"]: p for p in document["paths"][path]["post"].get("parameters", [])}
        assert ("Idempotency-Key" in parameters) == (path in CALLS)
        if path in CALLS:
            assert parameters["Idempotency-Key"].get("required", False) == (path not in KEY_IS_OPTIONAL)


async def test_a_quote_stores_nothing_under_a_key(api: httpx.AsyncClient) -> None:
    call, headers = await _transfer(api), key()
    quotes = [await api.post("/transfers/quote", json=call.body, headers=headers) for _ in range(2)]
    assert [quote.status_code for quote in quotes] == [200, 200]
    assert await records(headers) == []
    await succeeds(api, call, headers)


async def test_validation_comes_before_the_key_and_the_key_before_existence(api: httpx.AsyncClient) -> None:
    for path, body in [
        (f"/accounts/{UNKNOWN}/deposit", {"amount": "5"}), (f"/holds/{UNKNOWN}/capture", {}), (f"/transfers/{UNKNOWN}/reverse", {}),
    ]:  # fmt: skip
        assert code(await api.post(path, json=body)) == (400, "idempotency_key_missing")
        assert code(await api.post(path, json={"amount": "x"})) == (422, "validation_error")
        assert code(await api.post(path, json=body, headers=key()))[0] == 404
