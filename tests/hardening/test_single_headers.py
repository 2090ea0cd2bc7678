"""A header that has one value is sent once, or the request is refused; nothing is joined that is no list."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ledger_project.http.headers import RULES, Twice, read_headers
from tests.environment import ROOT
from tests.support.factories import unique
from tests.support.raw_http import ask, head
from tests.support.servers import Service

BODY = b'{"amount": "1.00"}'
JSON = "Content-Type: application/json"


@pytest.fixture(scope="module")
def account(service: Service) -> Iterator[str]:
    """A wallet."""
    with httpx.Client(base_url=service.base_url, timeout=30) as http:
        name = unique()
        body = {"merchant_name": name, "currency": "USD", "initial_balance": "1000.00"}
        assert http.post("/merchants", json=body).status_code == 201
        yield http.get(f"/merchants/{name}/balance").json()["balances"][0]["account_id"]


def balance(service: Service, account: str) -> str:
    available: str = httpx.get(f"{service.base_url}/accounts/{account}", timeout=30).json()["available"]
    return available


def deposit(account: str, *headers: str) -> bytes:
    return head(f"POST /accounts/{account}/deposit", f"Content-Length: {len(BODY)}", *headers) + BODY


TWICE = {
    "two equal keys": (("Idempotency-Key: {0}", "Idempotency-Key: {0}", JSON), "idempotency_key_invalid"),
    "two keys": (("Idempotency-Key: {0}", "idempotency-key: {0}x", JSON), "idempotency_key_invalid"),
    "a key and its quoted form": (("Idempotency-Key: {0}", 'Idempotency-Key: "{0}"', JSON), "idempotency_key_invalid"),
    "a key and an empty one": (("Idempotency-Key: {0}", "Idempotency-Key:", JSON), "idempotency_key_invalid"),
    "an empty key and a key, apart": (("Idempotency-Key:", JSON, "IDEMPOTENCY-KEY: {0}"), "idempotency_key_invalid"),
    "three keys": (("Idempotency-Key: {0}",) * 3 + (JSON,), "idempotency_key_invalid"),
    "types": (("Idempotency-Key: {0}", JSON, JSON), "bad_request"),
    "types, one of them empty": (("Idempotency-Key: {0}", JSON, "Content-Type:"), "bad_request"),
    "credentials": (("Idempotency-Key: {0}", JSON, "Authorization: Bearer a", "Authorization: Bearer a"), "bad_request"),
    "credentials in our header": (("Idempotency-Key: {0}", JSON, "X-Api-Key: a", "X-Api-Key: a"), "bad_request"),
    "hosts": (("Idempotency-Key: {0}", JSON, "Host: 127.0.0.1"), "bad_request"),
    "request ids": (("Idempotency-Key: {0}", JSON, "X-Request-Id: a", "X-Request-Id: a"), "bad_request"),
    "lengths": (("Idempotency-Key: {0}", JSON, f"Content-Length: {len(BODY)}"), "bad_request"),
}


@pytest.mark.parametrize(("headers", "code"), TWICE.values(), ids=TWICE)
def test_a_header_that_must_be_single_is_refused_twice(service: Service, account: str, headers: tuple[str, ...], code: str) -> None:
    before = balance(service, account)
    raw = deposit(account, *(header.format(unique()) for header in headers))
    for _ in range(2):
        (answer,) = ask(service, raw)
        assert answer.outcome == (400, code)
        assert answer.json()["request_id"] == answer.headers["x-request-id"] != "a"
    assert balance(service, account) == before


def test_the_connection_goes_on_after_such_a_request(service: Service, account: str) -> None:
    twice, good = deposit(account, "Idempotency-Key: a", "Idempotency-Key: a", JSON), deposit(account, f"Idempotency-Key: {unique()}", JSON)
    assert [answer.status for answer in ask(service, twice + good, count=2)] == [400, 200]


LISTS = {
    "accept": ("Accept: text/html", "Accept: */*"),
    "options": ("Connection: keep-alive", "Connection: x"),
    "codings": ("Content-Encoding: identity", "Content-Encoding: identity"),
    "cookies": ("Cookie: a=1", "Cookie: b=2"),
    "hops": ("X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2"),
    "traces": ("traceparent: 00-1-1-01", "traceparent: 00-1-1-01"),
    "what nobody reads": ("X-Anything: 1", "X-Anything: 1"),
    "what is not read for its underscore": ("Idempotency_Key: a", "Idempotency_Key: a"),
}


@pytest.mark.parametrize("headers", LISTS.values(), ids=LISTS)
def test_a_list_may_stand_in_two_lines(service: Service, account: str, headers: tuple[str, ...]) -> None:
    assert ask(service, deposit(account, f"Idempotency-Key: {unique()}", JSON, *headers))[0].status == 200


@pytest.mark.parametrize("name", ["Host: 127.0.0.1", "Content-Type: a/b", "Origin: http://a", "Referer: http://a/", "X-CSRFToken: a"])
def test_the_admin_reads_no_joined_headers_either(service: Service, name: str) -> None:
    top = head("POST /admin/login/", "Content-Length: 1", *((name,) if name.startswith("Host") else (name, name)))
    assert ask(service, top + b"a")[0].outcome == (400, "bad_request")


def test_cookies_are_parts_of_one_list_and_a_doubled_trace_is_none() -> None:
    values, refusal = read_headers([(b"cookie", b"a=1"), (b"traceparent", b"x"), (b"cookie", b"b=2"), (b"traceparent", b"x")])
    assert (values, refusal) == ({b"cookie": "a=1; b=2"}, None)


def test_every_header_that_is_read_has_a_rule() -> None:
    """A header that somebody reads some day has to be decided upon first."""
    read = set()
    for folder in ("ledger_project", "merchants", "people", "fees", "transfers", "approvals", "events", "console", "portal"):
        for file in Path(ROOT, folder).rglob("*.py"):
            text = file.read_text()
            read |= {
                name.lower().replace("_", "-") for name in re.findall(r'META(?:\.get\(|\[)"(?:HTTP_(?=[A-Z])|(?=CONTENT_))([A-Z_]+)"', text)
            }
            read |= {name.lower() for name in re.findall(r'request\.headers(?:\.get\(|\[)"([\w-]+)"', text)}
    assert {"idempotency-key", "authorization", "content-type", "accept"} <= read
    assert read <= {name.decode() for name in RULES}
    assert RULES[b"idempotency-key"] is Twice.REFUSED
