"""The table of the contract's section on idempotency, row by row, for every call that posts."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support.factories import balance_minor, key, merchant, transfer, wallet


@dataclass(frozen=True)
class Call:
    path: str
    body: dict[str, Any]
    other: dict[str, Any]
    """A body that is valid, and another request."""


async def _call(api: httpx.AsyncClient, name: str) -> Call:
    """Return a call that succeeds the first time."""
    source, target = await merchant(api, "100"), await merchant(api, "100")
    pair = {"from_merchant": source, "to_merchant": target, "currency": "USD"}
    if name == "transfer":
        return Call("/transfers", pair | {"amount": "5"}, pair | {"amount": "5.0"})
    if name == "batch":
        item = pair | {"amount": "5", "idempotency_key": key()["Idempotency-Key"]}
        return Call("/transfers/batch", {"transfers": [item]}, {"transfers": [item], "atomic": True})
    if name in {"deposit", "withdraw"}:
        return Call(f"/accounts/{await wallet(api, source)}/{name}", {"amount": "5"}, {"amount": "6"})
    if name == "reverse":
        made = (await transfer(api, source, target, 100)).json()["id"]
        return Call(f"/transfers/{made}/reverse", {}, {"refund_fee": True})
    if name == "hold":
        return Call("/holds", pair | {"amount": "5"}, pair | {"amount": "6"})
    held = (await api.post("/holds", json=pair | {"amount": "5"}, headers=key())).json()["id"]
    if name == "capture":
        return Call(f"/holds/{held}/capture", {}, {"amount": "1"})
    return Call(f"/holds/{held}/void", {}, {})


MOVING = ["transfer", "batch", "deposit", "withdraw", "reverse", "hold", "capture", "void"]
every_call = pytest.mark.parametrize("name", MOVING)


@every_call
async def test_a_key_is_required(api: httpx.AsyncClient, name: str) -> None:
    call = await _call(api, name)
    response = await api.post(call.path, json=call.body)
    assert (response.status_code, response.json()["code"]) == (400, "idempotency_key_missing")


BAD_KEYS = ["", " ", '""', '"', '"a', "a b", "x" * 256, "\x01", '"é"', "naïve", '"a\\x"', '"a"b', "\x7f"]


@every_call
async def test_a_key_is_visible_ascii_of_255_characters_at_most(api: httpx.AsyncClient, name: str) -> None:
    call = await _call(api, name)
    for bad in BAD_KEYS:
        response = await api.post(call.path, json=call.body, headers=[(b"Idempotency-Key", bad.encode("latin-1"))])
        assert (response.status_code, response.json()["code"]) == (400, "idempotency_key_invalid"), bad


@every_call
async def test_a_repeated_request_gets_the_first_answer_byte_for_byte(api: httpx.AsyncClient, name: str) -> None:
    call, headers = await _call(api, name), key()
    first = await api.post(call.path, json=call.body, headers=headers)
    second = await api.post(call.path, content=json.dumps(call.body, indent=3), headers=headers | {"Content-Type": "application/json"})
    assert first.status_code in {200, 201}, first.text
    assert "Idempotent-Replayed" not in first.headers
    assert (second.status_code, second.content, second.headers["Idempotent-Replayed"]) == (first.status_code, first.content, "true")
    assert second.headers["content-type"] == first.headers["content-type"]


@every_call
async def test_both_spellings_of_a_key_are_one_key(api: httpx.AsyncClient, name: str) -> None:
    call, bare = await _call(api, name), key()["Idempotency-Key"]
    first = await api.post(call.path, json=call.body, headers={"Idempotency-Key": bare})
    second = await api.post(call.path, json=call.body, headers={"Idempotency-Key": f'"{bare}"'})
    assert (second.content, second.headers["Idempotent-Replayed"]) == (first.content, "true")


@every_call
async def test_a_key_belongs_to_one_request(api: httpx.AsyncClient, name: str) -> None:
    call, headers = await _call(api, name), key()
    await api.post(call.path, json=call.body, headers=headers)
    others = [("/transfers/batch" if name != "batch" else "/transfers", None)]
    if call.other != call.body:
        others.append((call.path, call.other))
    for path, body in others:
        if body is None:
            other = await _call(api, "transfer" if path == "/transfers" else "batch")
            path, body = other.path, other.body  # noqa: PLW2901 - the other request from here on
        response = await api.post(path, json=body, headers=headers)
        assert (response.status_code, response.json()["code"]) == (409, "idempotency_key_reused")


@every_call
async def test_what_is_malformed_leaves_the_key_free(api: httpx.AsyncClient, name: str) -> None:
    call, headers = await _call(api, name), key()
    json_type = {"Content-Type": "application/json"}
    malformed = await api.post(call.path, content=b"{", headers=headers | json_type)
    assert (malformed.status_code, malformed.json()["code"]) == (400, "malformed_json")
    invalid = await api.post(call.path, json=call.body | {"surprise": 1}, headers=headers)
    assert (invalid.status_code, invalid.json()["code"]) == (422, "validation_error")
    plain = await api.post(call.path, content=b"hello", headers=headers | {"Content-Type": "text/plain"})
    assert (plain.status_code, plain.json()["code"]) == (415, "unsupported_media_type")
    large = await api.post(call.path, content=b" " * (1024 * 1024 + 1), headers=headers | json_type)
    assert (large.status_code, large.json()["code"]) == (413, "payload_too_large")
    assert (await api.post(call.path, json=call.body, headers=headers)).status_code in {200, 201}


@every_call
async def test_of_ten_at_once_one_is_executed_and_all_get_its_answer(api: httpx.AsyncClient, name: str) -> None:
    call, headers = await _call(api, name), key()
    answers = await asyncio.gather(*[api.post(call.path, json=call.body, headers=headers) for _ in range(10)])
    assert len({answer.content for answer in answers}) == 1
    assert sorted("Idempotent-Replayed" in answer.headers for answer in answers) == [False] + [True] * 9


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("transfer", {"amount": "5000"}, "insufficient_funds"),
    ("transfer", {"to_merchant": "nobody-yet"}, "merchant_not_found"),
    ("withdraw", {"amount": "5000"}, "insufficient_funds"),
    ("reverse", {"amount": "5000"}, "reversal_exceeds_original"),
    ("hold", {"amount": "5000"}, "insufficient_funds"),
    ("hold", {"from_merchant": "nobody-yet"}, "merchant_not_found"),
    ("capture", {"amount": "5000"}, "capture_exceeds_hold"),
]


@pytest.mark.parametrize(("name", "changes", "code"), REFUSED)
async def test_a_refusal_sticks_to_its_key(api: httpx.AsyncClient, name: str, changes: dict[str, Any], code: str) -> None:
    call, headers = await _call(api, name), key()
    first = await api.post(call.path, json=call.body | changes, headers=headers)
    assert first.json()["code"] == code
    second = await api.post(call.path, json=call.body | changes, headers=headers)
    assert (second.status_code, second.content, second.headers["Idempotent-Replayed"]) == (first.status_code, first.content, "true")
    assert second.headers["content-type"] == "application/problem+json"


async def test_a_refusal_sticks_even_when_it_would_succeed_now(api: httpx.AsyncClient) -> None:
    source, target, headers = await merchant(api, "1"), await merchant(api), key()
    first = await transfer(api, source, target, 5000, headers=headers)
    await api.post(f"/accounts/{await wallet(api, source)}/deposit", json={"amount": "100"}, headers=key())
    again = await transfer(api, source, target, 5000, headers=headers)
    assert (again.status_code, again.content) == (409, first.content)
    assert (await transfer(api, source, target, 5000)).status_code == 201


async def test_the_order_of_keys_does_not_matter_and_the_spelling_of_numbers_does(api: httpx.AsyncClient) -> None:
    source, target, headers = await merchant(api, "100"), await merchant(api), key()
    body = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount": "1.0", "metadata": {"a": 1, "b": 2}}
    first = await api.post("/transfers", json=body, headers=headers)
    turned = dict(reversed(body.items())) | {"metadata": {"b": 2, "a": 1}}
    assert (await api.post("/transfers", json=turned, headers=headers)).content == first.content
    assert (await api.post("/transfers", json=body | {"amount": "1.00"}, headers=headers)).json()["code"] == "idempotency_key_reused"
    assert await balance_minor(api, target) == 100
