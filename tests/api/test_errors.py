"""Errors that belong to no single call: unknown routes, methods, media types, sizes, a missing database, and our own mistakes."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import orjson
import pytest
from django.test import RequestFactory

from ledger_project.http.problems import exception_response
from tests.support.factories import key, merchant, unique, wallet
from tests.support.servers import Service, free_port

ROUTES = {
    "/merchants": {"GET", "HEAD", "POST"},
    "/merchants/x": {"GET", "HEAD", "PATCH"},
    "/merchants/x/balance": {"GET", "HEAD"},
    "/merchants/x/accounts": {"POST"},
    "/accounts/01a1fc35-d5a5-775d-b78f-46dff00cbdd2": {"GET", "HEAD"},
    "/accounts/01a1fc35-d5a5-775d-b78f-46dff00cbdd2/statement": {"GET", "HEAD"},
    "/accounts/01a1fc35-d5a5-775d-b78f-46dff00cbdd2/deposit": {"POST"},
    "/accounts/01a1fc35-d5a5-775d-b78f-46dff00cbdd2/withdraw": {"POST"},
    "/transfers": {"GET", "HEAD", "POST"},
    "/transfers/batch": {"POST"},
    "/transfers/quote": {"POST"},
    "/transfers/01a1fc35-d5a5-775d-b78f-46dff00cbdd2": {"GET", "HEAD"},
    "/transfers/01a1fc35-d5a5-775d-b78f-46dff00cbdd2/reverse": {"POST"},
    "/holds": {"GET", "HEAD", "POST"},
    "/holds/01a1fc35-d5a5-775d-b78f-46dff00cbdd2": {"GET", "HEAD"},
    "/holds/01a1fc35-d5a5-775d-b78f-46dff00cbdd2/capture": {"POST"},
    "/holds/01a1fc35-d5a5-775d-b78f-46dff00cbdd2/void": {"POST"},
    "/healthz": {"GET", "HEAD"},
    "/readyz": {"GET", "HEAD"},
    "/openapi.json": {"GET", "HEAD"},
    "/docs": {"GET", "HEAD"},
    "/errors/not_found": {"GET", "HEAD"},
}


def problem(response: httpx.Response) -> dict[str, Any]:
    """Return a problem document that has all that every one of them has."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    document: dict[str, Any] = response.json()
    assert document["type"].endswith(f"/errors/{document['code']}")
    assert document["status"] == response.status_code
    assert document["title"]
    assert document["detail"]
    assert document["request_id"] == response.headers["x-request-id"]
    return document


@pytest.mark.parametrize("path", ROUTES)
async def test_a_method_that_a_route_lacks_is_refused_with_those_it_has(api: httpx.AsyncClient, path: str) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} - ROUTES[path]:
        response = await api.request(method, path)
        assert (response.status_code, problem(response)["code"]) == (405, "method_not_allowed"), method
        assert {name.strip() for name in response.headers["allow"].split(",")} == ROUTES[path]


@pytest.mark.parametrize(
    "path", ["/nothing", "/transfers/", "/merchants/a/b/c", "/accounts//statement", "/merchants/%00/x/y", "/é", "/x//"]
)
async def test_a_path_that_leads_nowhere_is_not_found(api: httpx.AsyncClient, path: str) -> None:
    response = await api.get(path)
    assert (response.status_code, problem(response)["code"]) == (404, "not_found")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "", "x"])
async def test_a_body_that_is_not_json_by_its_own_word_is_not_read(api: httpx.AsyncClient, media_type: str) -> None:
    response = await api.post("/merchants", content=b'{"merchant_name": "x"}', headers={"Content-Type": media_type})
    assert (response.status_code, problem(response)["code"]) == (415, "unsupported_media_type")


MALFORMED = {
    "cut off": b'{"a": ',
    "two values": b"{} {}",
    "a word": b"nope",
    "not a number": b'{"amount": NaN}',
    "not UTF-8": b'{"a": "\xff"}',
    "half a surrogate pair": b'{"a": "\\ud800"}',
    "17 levels": b'{"metadata": ' + b"[" * 16 + b"]" * 16 + b"}",
    "100,000 levels": b"[" * 100_000,
    "a control character in a string": b'{"a": "\x01"}',
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
async def test_what_is_not_json_is_refused(api: httpx.AsyncClient, body: bytes) -> None:
    response = await api.post("/merchants", content=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, problem(response)["code"]) == (400, "malformed_json")


@pytest.mark.parametrize(("name", "number"), [("amount", b"1e999"), ("amount_minor", b"9" * 5000), ("amount_minor", b"1e30")])
async def test_a_number_that_nothing_can_hold_is_the_fields_to_refuse(api: httpx.AsyncClient, name: str, number: bytes) -> None:
    body = b'{"from_merchant": "a", "to_merchant": "b", "currency": "USD", "%s": %s}' % (name.encode(), number)
    response = await api.post("/transfers", content=body, headers={"Content-Type": "application/json", **key()})
    assert (response.status_code, problem(response)["errors"][0]["field"]) == (422, name)


@pytest.mark.parametrize("body", [b"[]", b"1", b'"x"', b"null", b"true"])
async def test_json_that_is_no_object_fails_validation(api: httpx.AsyncClient, body: bytes) -> None:
    for path in ("/merchants", "/transfers", "/transfers/batch", "/transfers/quote", "/holds"):
        response = await api.post(path, content=body, headers={"Content-Type": "application/json", **key()})
        assert (response.status_code, problem(response)["code"]) == (422, "validation_error")


async def test_sixteen_levels_are_read(api: httpx.AsyncClient) -> None:
    await merchant(api, metadata={"deep": orjson.loads(b"[" * 14 + b"]" * 14)})


async def test_a_body_of_more_than_a_mebibyte_is_too_large_declared_or_not(api: httpx.AsyncClient) -> None:
    async def chunks() -> Any:
        for _ in range(2**8 + 1):
            yield b" " * 2**12

    for content in (b" " * (2**20 + 1), chunks()):
        response = await api.post("/merchants", content=content, headers={"Content-Type": "application/json"})
        assert (response.status_code, problem(response)["code"]) == (413, "payload_too_large")


async def test_a_sane_request_id_is_kept_and_another_one_replaced(api: httpx.AsyncClient) -> None:
    assert (await api.get("/nothing", headers={"X-Request-Id": "caller-1.a_B"})).json()["request_id"] == "caller-1.a_B"
    for insane in ("", "a b", "x" * 129, 'a"b', "a\tb"):
        assert (await api.get("/nothing", headers={"X-Request-Id": insane})).json()["request_id"] not in {insane, ""}


def test_our_own_mistake_says_nothing_of_our_inside() -> None:
    request = RequestFactory().get("/transfers")
    request.request_id = "r-1"
    response = exception_response(ValueError("password=hunter2"), request)
    assert (response.status_code, orjson.loads(response.content)["code"]) == (500, "internal_error")
    assert b"hunter2" not in response.content
    assert b"ValueError" not in response.content


@pytest.fixture
def without_database(serve: Callable[..., Service]) -> Iterator[Service]:
    """A service whose database does not exist."""
    service = Service(env={"DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"})
    service.spawn()
    deadline = time.monotonic() + 30
    while True:
        try:
            httpx.get(f"{service.base_url}/healthz", timeout=5).raise_for_status()
            break
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    yield service
    service.stop()


def test_without_its_database_the_service_lives_is_not_ready_and_says_when_to_come_again(without_database: Service) -> None:
    body = {"from_merchant": "a", "to_merchant": "b", "currency": "USD", "amount": "1"}
    with httpx.Client(base_url=without_database.base_url, timeout=40) as client:
        calls: list[Callable[[], httpx.Response]] = [
            lambda: client.get("/readyz"),
            lambda: client.get("/merchants/a"),
            lambda: client.get("/transfers"),
            lambda: client.post("/transfers", json=body, headers=key()),
        ]
        for call in calls:
            response = call()
            assert (response.status_code, problem(response)["code"]) == (503, "database_unavailable")
            assert int(response.headers["retry-after"]) > 0
        assert client.get("/healthz").status_code == 200


ODD_TYPES = (
    "a/b; q*=no-such-encoding'x'y",
    "application/json; charset*=rot13''x",
    "a/b; charset=utf-16",
    "a/b; charset*=a\\'\\'",
    ";",
    "/;;;=",
)


@pytest.mark.parametrize("odd", ODD_TYPES)
async def test_a_content_type_that_django_cannot_parse_is_no_fault_of_ours(api: httpx.AsyncClient, odd: str) -> None:
    name = await merchant(api, "1")
    headers = {"Content-Type": odd}
    assert (await api.get("/merchants", params={"search": name}, headers=headers)).json()["items"][0]["merchant_name"] == name
    response = await api.post("/merchants", content=b"{}", headers=headers)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")
    for path in ("/admin/login/", "/app/login/", "/static/x"):
        assert (await api.get(path, headers={**headers, "Host": "localhost"})).status_code < 500


@pytest.mark.parametrize("odd", [*ODD_TYPES, "text/csv;q=nan", "*"])
async def test_an_accept_header_that_makes_no_sense_gets_json_and_one_for_what_there_is_not_none(api: httpx.AsyncClient, odd: str) -> None:
    account = await wallet(api, await merchant(api, "1"))
    response = await api.get(f"/accounts/{account}/statement", headers={"Accept": odd})
    expected = (406, "application/problem+json") if odd.startswith("a/b; ") and "\\" not in odd else (200, "application/json")
    assert (response.status_code, response.headers["content-type"].partition(";")[0]) == expected


async def test_a_path_that_leads_out_of_the_static_files_is_not_found(api: httpx.AsyncClient) -> None:
    response = await api.get("/static/%2e%2e/%2e%2e/manage.py", headers={"Host": "localhost"})
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


BYTE_ORDER_MARK = b"\xef\xbb\xbf"


async def test_a_byte_order_mark_before_json_is_skipped(api: httpx.AsyncClient) -> None:
    name, headers = unique(), {"Content-Type": "application/json", **key()}
    body = b'{"merchant_name": "%s"}' % name.encode()
    first = await api.post("/merchants", content=BYTE_ORDER_MARK + body, headers=headers)
    assert (first.status_code, first.json()["merchant_name"]) == (201, name)
    replayed = await api.post("/merchants", content=body, headers=headers)
    assert (replayed.status_code, replayed.content, replayed.headers["idempotent-replayed"]) == (201, first.content, "true")
    for other in (BYTE_ORDER_MARK, BYTE_ORDER_MARK * 2 + body, body.decode().encode("utf-16"), body + BYTE_ORDER_MARK):
        response = await api.post("/merchants", content=other, headers={"Content-Type": "application/json"})
        assert (response.status_code, problem(response)["code"]) == (400, "malformed_json")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity, gzip", "GZIP", "x", "identity;q=1"])
@pytest.mark.parametrize("body", [b'{"amount": "1.00"}', gzip.compress(b'{"amount": "1.00"}'), b""], ids=["plain", "compressed", "none"])
async def test_a_body_in_an_encoding_is_refused_with_a_clear_word(api: httpx.AsyncClient, encoding: str, body: bytes) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding, **key()}
    for path in ("/merchants", "/transfers", "/transfers/x/reverse", "/holds/x/capture", "/holds/x/void", "/accounts/x/deposit"):
        response = await api.post(path, content=body, headers=headers)
        assert (response.status_code, problem(response)["code"]) == (415, "unsupported_media_type")
        assert "Content-Encoding" in response.json()["detail"]
    response = await api.post("/admin/login/", content=body, headers={**headers, "Host": "localhost"})
    assert (response.status_code, problem(response)["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("encoding", ["identity", "Identity", "", "identity, identity"])
async def test_a_body_as_it_is_may_say_so(api: httpx.AsyncClient, encoding: str) -> None:
    response = await api.post("/merchants", json={"merchant_name": unique()}, headers={"Content-Encoding": encoding})
    assert response.status_code == 201
