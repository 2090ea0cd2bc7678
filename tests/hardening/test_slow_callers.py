"""Callers who send slowly, take slowly or hold connections are hung up on, and are in nobody's way. No proxy is needed for that."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
from django.core import checks

from ledger_project.http import limits
from tests.support.factories import unique
from tests.support.raw_http import Answer, answers_of, ask, connect, head
from tests.support.servers import Service, database_url
from tests.support.waiting import until

LIMIT_S = 1.0
LATE_S = LIMIT_S + 30
"""The limit, rounded up to looks, and a machine that has other things to do."""

MOST = 24

JSON = "Content-Type: application/json"
HALF = head("POST /merchants", JSON, "Content-Length: 90") + b'{"merchant_name"'


@pytest.fixture(scope="module")
def strict(ledger: None) -> Iterator[Service]:
    """A server that is in a hurry."""
    del ledger
    names = ("LEDGER_HEAD_TIMEOUT", "LEDGER_BODY_TIMEOUT", "LEDGER_WRITE_TIMEOUT")
    waits = dict.fromkeys(("LEDGER_IDEMPOTENCY_WAIT", "LEDGER_POSTING_TIMEOUT"), str(2 * LATE_S))
    running = Service(env={**dict.fromkeys(names, str(LIMIT_S)), **waits, "LEDGER_CONNECTIONS_MAX": str(MOST)})
    running.options = ["--timeout-keep-alive", "1"]
    with running:
        yield running


class Slow:
    """A client that sends what it begins with at once and then a byte at a time, for as long as it is let."""

    def __init__(self, service: Service, begins: bytes, drip: bytes = b"") -> None:
        self.socket, self.drip, self.received = connect(service), drip, b""
        self.socket.sendall(begins)
        self.began_at, self.ended_at = time.monotonic(), 0.0

    def step(self) -> None:
        """Send a byte, and take what has come."""
        with suppress(ConnectionError):
            if self.drip:
                self.socket.sendall(self.drip[:1])
                self.drip = self.drip[1:] + self.drip[:1]

    def take(self) -> None:
        try:
            piece = self.socket.recv(65536)
        except ConnectionError:
            piece = b""
        self.received += piece
        if not piece:
            self.ended_at = time.monotonic()

    @property
    def answers(self) -> list[Answer]:
        return answers_of(self.received)


def patiently(clients: list[Slow]) -> None:
    """Have all go on until each was hung up on."""
    deadline = time.monotonic() + LATE_S
    while (running := [client for client in clients if not client.ended_at]) and time.monotonic() < deadline:
        for client in running:
            client.step()
        ready, _, _ = select.select([client.socket for client in running], [], [], 0.1)
        for client in running:
            if client.socket in ready:
                client.take()


GET = head("GET /healthz")
SLOW: dict[str, tuple[bytes, bytes, list[tuple[int, str | None]]]] = {
    "says nothing": (b"", b"", []),
    "sends empty lines": (b"\r\n", b"\r\n", []),
    "stops in the line": (b"GET /heal", b"", [(408, "request_timeout")]),
    "stops in the head": (GET[:-2], b"", [(408, "request_timeout")]),
    "sends a head byte by byte": (GET[:-2] + b"X: ", b"x", [(408, "request_timeout")]),
    "sends headers without end": (GET[:-2], b"X: y\r\n", [(408, "request_timeout")]),
    "stops in the body": (HALF, b"", [(408, "request_timeout")]),
    "sends a body byte by byte": (HALF, b" ", [(408, "request_timeout")]),
    "sends chunks byte by byte": (head("POST /merchants", JSON, "Transfer-Encoding: chunked"), b"1\r\n \r\n", [(408, "request_timeout")]),
    "stops in the body behind an upgrade": (
        HALF.replace(b"\r\n\r\n", b"\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"),
        b"",
        [(408, "request_timeout")],
    ),
    "stops in the admin": (HALF.replace(b"/merchants", b"/admin/login/"), b"", [(408, "request_timeout")]),
    "is idle behind an answer": (GET, b"", [(200, None)]),
    "sends empty lines behind an answer": (GET, b"\r\n", [(200, None)]),
    "stops in its second head": (GET + GET[:9], b"", [(200, None), (408, "request_timeout")]),
    "stops in its second body": (GET + HALF, b"", [(200, None), (408, "request_timeout")]),
}


def test_slow_callers_are_hung_up_on_and_a_slow_answer_is_not(strict: Service) -> None:
    with ExitStack() as stack, ThreadPoolExecutor(1) as pool, psycopg.connect(database_url()) as session:
        http = stack.enter_context(httpx.Client(base_url=strict.base_url, timeout=2 * LATE_S))
        name = unique()
        assert http.post("/merchants", json={"merchant_name": name, "currency": "USD", "initial_balance": "10"}).status_code == 201
        path = f"/accounts/{http.get(f'/merchants/{name}/balance').json()['balances'][0]['account_id']}/deposit"
        session.execute("SELECT FROM merchants_account WHERE id = %s FOR UPDATE", [path.split("/")[2]])
        waiting = pool.submit(http.post, path, json={"amount": "1.00"}, headers={"Idempotency-Key": unique()})

        clients = {case: Slow(strict, begins, drip) for case, (begins, drip, _) in SLOW.items()}
        for client in clients.values():
            stack.enter_context(client.socket)
        patiently(list(clients.values()))
        for case, (_, _, outcomes) in SLOW.items():
            client = clients[case]
            assert client.ended_at, f"{case}: still connected"
            assert client.ended_at - client.began_at >= LIMIT_S, f"{case}: hung up on too early"
            assert [answer.outcome for answer in client.answers] == outcomes, case
            assert all(answer.headers.get("connection") == "close" for answer in client.answers if answer.status == 408)

        assert not waiting.done(), "the lock was waited for"
        session.rollback()
        assert waiting.result().status_code == 200, "an answer that takes longer than a request may is waited for"
    assert ask(strict, GET)[0].status == 200


def test_who_does_not_take_its_answers_is_hung_up_on(strict: Service) -> None:
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", strict.port))
        client.sendall(head("GET /openapi.json") * 60)
        (worker,) = strict.worker_pids()
        deadline = time.monotonic() + LATE_S
        while client.getsockname()[1] in {other.raddr.port for other in psutil.Process(worker).net_connections() if other.raddr}:
            assert time.monotonic() < deadline, "still connected"
            time.sleep(0.1)
    assert ask(strict, GET)[0].status == 200


@pytest.mark.parametrize("begins", [b"", GET[:9], GET, HALF], ids=["idle", "in the head", "behind an answer", "in the body"])
def test_connections_that_wait_make_room_for_new_ones(strict: Service, begins: bytes) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(connect(strict)) for _ in range(2 * MOST)]
        for client in held:
            with suppress(ConnectionError):
                client.sendall(begins)
                if begins is GET:
                    client.recv(65536)  # nobody is at work any more
        for _ in range(MOST):
            assert ask(strict, GET)[0].status == 200


def test_with_all_connections_at_work_a_new_one_is_told_to_come_again(strict: Service) -> None:
    until(lambda: not _connections(strict), "callers of another test are there still")
    with ExitStack() as stack, psycopg.connect(database_url()) as session:
        name = unique()
        # The server ends these connections itself, so none of them is counted any more when the next one comes.
        with httpx.Client(base_url=strict.base_url, timeout=30, headers={"Connection": "close"}) as http:
            assert http.post("/merchants", json={"merchant_name": name, "currency": "USD", "initial_balance": "10"}).status_code == 201
            account = http.get(f"/merchants/{name}/balance").json()["balances"][0]["account_id"]
        session.execute("SELECT FROM merchants_account WHERE id = %s FOR UPDATE", [account])
        body = b'{"amount": "1.00"}'
        busy = []
        for _ in range(MOST):
            client = stack.enter_context(connect(strict))
            top = head(f"POST /accounts/{account}/deposit", JSON, f"Idempotency-Key: {unique()}", f"Content-Length: {len(body)}")
            client.sendall(top + body)
            busy.append(client)
        until(lambda: len(found := _connections(strict)) == MOST and not any(found), "not all was read")
        refused = ask(strict, b"")
        assert [answer.outcome for answer in refused] == [(503, "too_many_connections")]
        assert int(refused[0].headers["retry-after"]) > 0
        session.rollback()
        for client in busy:
            assert b"200 OK" in client.recv(100)


def _connections(service: Service) -> list[int]:
    """Return how many bytes the service has not read yet, for each connection to it."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    established = [(int(local.rpartition(":")[2], 16), queues) for _, local, _, state, queues, *_ in lines if state == "01"]
    return [int(queues.rpartition(":")[2], 16) for port, queues in established if port == service.port]


# --- what is checked at the start -------------------------------------------------------------------------------------------


def found(settings: Any, **values: object) -> set[str]:
    for name, value in values.items():
        setattr(settings, name, value)
    return {message.id for message in checks.run_checks() if message.id is not None}


@pytest.mark.parametrize("name", ["LEDGER_CONNECTIONS_MAX", "LEDGER_HEAD_TIMEOUT", "LEDGER_BODY_TIMEOUT", "LEDGER_WRITE_TIMEOUT"])
def test_a_limit_of_nothing_is_refused_at_the_start(settings: Any, name: str) -> None:
    assert "ledger.E001" in found(settings, **{name: 0})


def test_more_connections_than_files_is_told_at_the_start(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "ledger.W021" not in found(settings)
    monkeypatch.setattr(limits.resource, "getrlimit", lambda _: (256, 4096))
    assert "ledger.W021" in found(settings)


@pytest.mark.parametrize(
    ("proxies", "told"),
    [
        (["10.0.0.1", "fd00::/8"], set()),
        ([], set()),
        (["*"], {"ledger.W022"}),
        (["proxy"], {"ledger.E023"}),
        (["10.0.0.1/8"], {"ledger.E023"}),
        (["10.0.0.1", "*"], {"ledger.E023"}),
    ],
)
def test_proxies_that_cannot_be_are_told_at_the_start(settings: Any, proxies: list[str], told: set[str]) -> None:
    assert found(settings, FORWARDED_ALLOW_IPS=proxies) & {"ledger.W022", "ledger.E023"} == told
