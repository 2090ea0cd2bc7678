"""Metadata is shown as it was sent, wherever it is kept and whenever it is read, and never grows."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_project.database.readers import in_reader
from ledger_project.http.parsing import parse_json
from ledger_project.kernel.errors import MalformedJson
from ledger_project.kernel.exact_json import dumps
from ledger_project.kernel.metadata import MAX_BYTES, MetadataRefused, keep_metadata
from merchants.models import Merchant
from tests.support.factories import key, merchant, transfer, unique, wallet

Write = Callable[[httpx.AsyncClient, bytes], Awaitable[tuple[httpx.Response, str]]]


async def _send(api: httpx.AsyncClient, path: str, body: dict[str, Any], metadata: bytes, method: str = "POST") -> httpx.Response:
    content = json.dumps(body).encode()[:-1] + (b", " if body else b"") + b'"metadata": ' + metadata + b"}"
    return await api.request(method, path, content=content, headers={"Content-Type": "application/json", **key()})


async def _register(api: httpx.AsyncClient, metadata: bytes) -> tuple[httpx.Response, str]:
    name = unique()
    return await _send(api, "/merchants", {"merchant_name": name}, metadata), f"/merchants/{name}"


async def _change(api: httpx.AsyncClient, metadata: bytes) -> tuple[httpx.Response, str]:
    path = f"/merchants/{await merchant(api)}"
    return await _send(api, path, {}, metadata, "PATCH"), path


async def _pay(api: httpx.AsyncClient, metadata: bytes) -> tuple[httpx.Response, str]:
    body = {"from_merchant": await merchant(api, "10"), "to_merchant": await merchant(api), "currency": "USD", "amount": "1.00"}
    response = await _send(api, "/transfers", body, metadata)
    return response, f"/transfers/{response.json().get('id')}"


async def _promise(api: httpx.AsyncClient, metadata: bytes) -> tuple[httpx.Response, str]:
    body = {"from_merchant": await merchant(api, "10"), "to_merchant": await merchant(api), "currency": "USD", "amount": "1.00"}
    response = await _send(api, "/holds", body, metadata)
    return response, f"/holds/{response.json().get('id')}"


async def _capture(api: httpx.AsyncClient, metadata: bytes) -> tuple[httpx.Response, str]:
    hold = (await _promise(api, b"{}"))[1]
    response = await _send(api, f"{hold}/capture", {}, metadata)
    return response, f"/transfers/{response.json().get('id')}"


async def _deposit(api: httpx.AsyncClient, metadata: bytes) -> tuple[httpx.Response, str]:
    account = await wallet(api, await merchant(api, "1"))
    response = await _send(api, f"/accounts/{account}/deposit", {"amount": "1.00"}, metadata)
    shown = response.json().get("transfer", response.json())
    return httpx.Response(response.status_code, json=shown), f"/transfers/{shown.get('id')}"


async def _batch(api: httpx.AsyncClient, metadata: bytes) -> tuple[httpx.Response, str]:
    source, target = await merchant(api, "10"), await merchant(api)
    item = f'{{"from_merchant":"{source}","to_merchant":"{target}","currency":"USD","amount":"1.00","idempotency_key":"{unique()}",'
    content = b'{"transfers": [' + item.encode() + b'"metadata": ' + metadata + b"}]}"
    response = await api.post("/transfers/batch", content=content, headers={"Content-Type": "application/json", **key()})
    (result,) = response.json()["results"]
    shown = result.get("transfer") or result["error"]
    return httpx.Response(result["status"], json=shown), f"/transfers/{shown.get('id')}"


DOORS: dict[str, Write] = {
    "registration": _register, "change": _change, "transfer": _pay, "batch": _batch, "hold": _promise, "capture": _capture,
    "deposit": _deposit,
}  # fmt: skip
"""Every call that keeps metadata."""

REFUSED = {
    "numbers that grow": b'{"a": [' + b",".join([b"1e308"] * 2400) + b"]}",
    "numbers that grow below one": b'{"a": [' + b",".join([b"1e-307"] * 2000) + b"]}",
    "16 digits": b'{"a": 0.1234567890123456}',
    "beyond a double": b'{"a": 1e309}',
    "below a double": b'{"a": {"b": -1e-400}}',
    "not a normal double": b'{"a": [5e-324]}',
    "an endless integer": b'{"a": ' + b"9" * 5000 + b"}",
    "NUL in a value": b'{"a": ["\\u0000"]}',
    "NUL in a name": b'{"\\u0000": 1}',
    "17,000 bytes": b'{"a": "' + b"x" * 17_000 + b'"}',
    "17,000 bytes of other characters": ('{"a": "' + "ä" * 8_500 + '"}').encode(),
    "no object": b"[1]",
}
KEPT = (
    b'{"one": 1.0, "tenth": 0.1, "many": 1e22, "few": 1e-7, "zero": -0.0, "long": 123456789012345678901234567890, "zeros": 0.5000000000000000000,'
    b' "largest": 1e308, "smallest": 2.5e-308, "text": "\\ud83d\\ude00 \\t\\u007f", "deep": {"b": [true, null, {}]}, "": ""}'
)


@pytest.mark.parametrize("door", DOORS)
async def test_what_is_kept_is_what_was_sent_and_what_is_shown(api: httpx.AsyncClient, door: str) -> None:
    response, path = await DOORS[door](api, KEPT)
    assert response.status_code in {200, 201}, response.text
    shown, later = response.json()["metadata"], (await api.get(path)).json()["metadata"]
    assert json.dumps(shown, sort_keys=True) == json.dumps(later, sort_keys=True)
    assert shown == json.loads(KEPT)


@pytest.mark.parametrize("door", DOORS)
async def test_what_would_change_or_grow_is_refused_at_every_door(api: httpx.AsyncClient, door: str) -> None:
    for metadata in REFUSED.values():
        response, _ = await DOORS[door](api, metadata)
        assert response.status_code == 422, (metadata[:60], response.text)
        assert response.json()["errors"][0]["field"] == "metadata"


@pytest.mark.parametrize("number", [b"1e308", b"1e-307", b"-1e22", b"1e-6", b"1"])
async def test_however_many_numbers_are_taken_they_are_stored_and_shown_within_the_bound(api: httpx.AsyncClient, number: bytes) -> None:
    longest = len(f"{Decimal(number.decode()):f}.0,")
    for count, expected in ((MAX_BYTES // longest, 201), (2 * MAX_BYTES // len(number), 422)):
        response, path = await _register(api, b'{"a": [' + b",".join([number] * count) + b"]}")
        assert response.status_code == expected
        if expected == 201:
            row = await in_reader(Merchant.objects.get, name=path.rpartition("/")[2])
            assert row.metadata == {"a": [json.loads(number)] * count}
            assert len((await api.get(path)).content) < MAX_BYTES + 1000


async def test_the_other_party_sees_no_more_than_the_bound(api: httpx.AsyncClient) -> None:
    source, target = await merchant(api, "10"), await merchant(api)
    made = await transfer(api, source, target, 100, metadata={"a": "x" * (MAX_BYTES - 8)})
    assert made.status_code == 201
    assert (await transfer(api, source, target, 100, metadata={"a": "x" * (MAX_BYTES - 7)})).status_code == 422


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=3), json_values, max_size=5))
def test_what_is_kept_is_kept_again_unchanged(sent: dict[str, object]) -> None:
    try:
        kept = keep_metadata(parse_json(json.dumps(sent).encode()))
    except (MetadataRefused, MalformedJson):
        return
    assert kept == sent
    assert keep_metadata(parse_json(dumps(kept))) == kept
