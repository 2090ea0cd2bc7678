"""What goes over the wire: an answer that is written at once says what uvicorn's own two messages say."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.support.factories import unique
from tests.support.servers import Service


@pytest.fixture(scope="module")
def at_once(ledger: None) -> Iterator[Service]:
    """A server as ``manage.py serve`` runs it."""
    del ledger
    with Service(workers=1) as running:
        yield running


def exchange(service: Service, sent: bytes, answers: int) -> bytes:
    """Send bytes on a new connection and return all that comes until so many answers are there or the connection ends."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as client:
        client.sendall(sent)
        received = b""
        while received.count(b"HTTP/1.1 ") < answers or not received.endswith((b"}", b"\r\n\r\n")):
            chunk = client.recv(65536)
            if not chunk:
                return received
            received += chunk
        return received


def request(line: str, *headers: str, body: str = "") -> bytes:
    lines = [line, "Host: 127.0.0.1", *headers, *([f"Content-Length: {len(body)}", "Content-Type: application/json"] if body else [])]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def test_every_answer_has_the_headers_that_it_would_have_in_two_messages(at_once: Service) -> None:
    plain = Service(workers=1)
    plain.http = "httptools"
    plain.start()
    body = json.dumps({"merchant_name": unique(), "metadata": {"π": "ü"}})
    calls = [
        ("GET", "/healthz", None, {}),
        ("POST", "/merchants", body, {"Content-Type": "application/json", "Idempotency-Key": unique()}),
        ("POST", "/merchants", body, {"Content-Type": "application/json"}),
        ("GET", "/nowhere", None, {"X-Request-Id": "mine-1"}),
        ("DELETE", "/merchants", None, {}),
        ("HEAD", "/merchants", None, {}),
        ("POST", "/transfers", "{", {"Content-Type": "application/json"}),
        ("POST", "/transfers", "x", {"Content-Type": "text/plain"}),
        ("GET", "/metrics", None, {}),
        ("GET", "/openapi.json", None, {}),
    ]
    try:
        for method, path, content, headers in calls:
            found = []
            for service in (plain, at_once):
                with httpx.Client(base_url=service.base_url, timeout=30) as http:
                    answer = http.request(method, path, content=content and content.encode(), headers=headers)
                names = {name: value for name, value in answer.headers.items() if name not in {"date", "x-request-id", "content-length"}}
                assert answer.headers["date"]
                assert answer.headers["x-request-id"]
                assert answer.headers.get_list("content-length") == [str(len(answer.content))] or method == "HEAD"
                found.append((answer.status_code, names))
            if method == "POST" and path == "/merchants":
                assert {status for status, _ in found} <= {201, 409}  # the second to register that name
                continue
            assert found[0] == found[1], (method, path)
    finally:
        plain.stop()


def test_requests_in_a_row_are_answered_in_a_row(at_once: Service) -> None:
    sent = b"".join(request("GET /healthz HTTP/1.1", f"X-Request-Id: r{number}") for number in range(20))
    received = exchange(at_once, sent, 20)
    order = [line.split(b": ")[1] for line in received.split(b"\r\n") if line.startswith(b"x-request-id")]
    assert order == [b"r%d" % number for number in range(20)]
    assert received.count(b"HTTP/1.1 200") == 20


@pytest.mark.parametrize("line", ["GET /healthz HTTP/1.0", "GET /healthz HTTP/1.1"])
def test_who_wants_the_connection_closed_is_told_that_it_is(at_once: Service, line: str) -> None:
    headers = ["Connection: close"] if line.endswith("1.1") else []
    with socket.create_connection(("127.0.0.1", at_once.port), timeout=30) as client:
        client.sendall(request(line, *headers))
        received = b"".join(iter(lambda: client.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.count(b"connection: close") == 1
    assert body == b'{"status":"ok"}'


def test_a_caller_who_is_gone_before_the_answer_harms_nobody(at_once: Service) -> None:
    body = json.dumps({"merchant_name": unique()})
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", at_once.port), timeout=30) as client:
            client.sendall(request("POST /merchants HTTP/1.1", body=body))
    assert httpx.get(f"{at_once.base_url}/healthz", timeout=30).json() == {"status": "ok"}
    assert exchange(at_once, request("GET /healthz HTTP/1.1"), 1).endswith(b'{"status":"ok"}')
