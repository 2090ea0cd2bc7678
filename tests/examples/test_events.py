"""The consumer and the receiver of docs/events.md run as they stand there, and keep what the page says of them."""

from __future__ import annotations

import http.client
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from standardwebhooks import Webhook

from ledger_project.kernel.actors import Scope
from people.credentials import create_key
from tests.environment import ROOT
from tests.support.factories import unique
from tests.support.servers import Service, free_port
from tests.support.waiting import until
from transfers.models import LedgerEntry

CODE = re.compile(r"```python (\w+)\n(.*?)```", re.DOTALL)
PATIENCE_S = 60


def code_of(name: str) -> str:
    return dict(CODE.findall((ROOT / "docs" / "events.md").read_text()))[name]


def lines_of_code(name: str) -> int:
    return sum(1 for line in code_of(name).splitlines() if line.strip())


@contextmanager
def running(name: str, folder: Path, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    file = folder / f"{name}.py"
    file.write_text(code_of(name))
    with (folder / f"{name}.log").open("a") as log:
        process = subprocess.Popen([sys.executable, "-u", str(file)], env=os.environ | env, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(("name", "most"), [("consumer", 25), ("receiver", 15)])
def test_they_can_be_read_at_a_glance(name: str, most: int) -> None:
    assert lines_of_code(name) <= most


# --- the receiver -----------------------------------------------------------------------------------------------------------------

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def deliver(port: int, event_id: str, body: bytes, *, secret: str = SECRET, at: datetime | None = None) -> int:
    moment = at or datetime.now(UTC)
    headers = {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(event_id, moment, body.decode()),
    }
    return send(port, body, headers)


def send(port: int, body: bytes, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", "/", body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def answers(port: int) -> bool:
    try:
        send(port, b"", {})
    except OSError:
        return False
    return True


def test_the_receiver_keeps_each_event_once_and_nothing_that_is_not_signed(tmp_path: Path) -> None:
    port, inbox = free_port(), tmp_path / "inbox.db"
    one, two = str(uuid4()), str(uuid4())
    body = json.dumps({"id": one, "type": "transfer.posted", "data": {"memo": "äöü"}}, ensure_ascii=False).encode()
    with running("receiver", tmp_path, INBOX=str(inbox), SECRET=SECRET, PORT=str(port)):
        until(lambda: answers(port), "the receiver does not answer", within_s=PATIENCE_S)
        assert [deliver(port, one, body), deliver(port, one, body), deliver(port, two, b"{}")] == [204, 204, 204]
        signed = {"webhook-id": one, "webhook-timestamp": str(int(time.time()))}
        refused = [
            deliver(port, str(uuid4()), body, secret="whsec_" + "A" * 32),
            deliver(port, str(uuid4()), body, at=datetime.now(UTC) - timedelta(minutes=6)),
            send(port, body, {}),
            send(port, body, {**signed, "webhook-signature": "v1,AAAA"}),
            send(port, body, {**signed, "webhook-signature": "nonsense"}),
        ]
        assert refused == [400] * 5
    kept = dict(sqlite3.connect(inbox).execute("SELECT id, event FROM inbox"))
    assert kept == {one: body, two: b"{}"}


# --- the consumer -----------------------------------------------------------------------------------------------------------------


def kept_lines(books: Path) -> dict[tuple[str, int], str]:
    with sqlite3.connect(books) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'lines'").fetchone():
            return {}
        return {(account, sequence): balance for account, sequence, balance in database.execute("SELECT * FROM lines")}


def stored_lines(names: list[str]) -> dict[tuple[str, int], int]:
    """Return number and balance in minor units of each entry of these merchants, from the journal."""
    entries = LedgerEntry.objects.filter(account__merchant__name__in=names)
    return {(str(entry.account_id), entry.sequence): int(entry.balance_after_minor) for entry in entries}


def test_the_consumer_keeps_each_line_once_whenever_it_is_killed(serve: Callable[..., Service], tmp_path: Path) -> None:
    service, books = serve(workers=1), tmp_path / "books.db"
    key = create_key(name="a consumer", merchant=None, scopes=[Scope.EVENTS_READ], expires_at=None).secret
    with httpx.Client(base_url=service.base_url, timeout=30) as api:
        now = api.get("/events", params={"after": "latest"}).json()["next_after"]
        with sqlite3.connect(books) as database:
            database.execute("CREATE TABLE progress (after TEXT)")
            database.execute("INSERT INTO progress VALUES (?)", [now])
        names = [unique("reader") for _ in range(2)]
        for name in names:
            opened = api.post("/merchants", json={"merchant_name": name, "currency": "USD", "initial_balance": "100.00"})
            assert opened.status_code == 201
        seen = 0
        for _ in range(4):  # it is killed at the end of each round, wherever it is
            with running("consumer", tmp_path, BOOKS=str(books), LEDGER=service.base_url, KEY=key):
                for number in range(10):
                    body = {"from_merchant": names[number % 2], "to_merchant": names[1 - number % 2], "currency": "USD", "amount": "1.00"}
                    assert api.post("/transfers", json=body, headers={"Idempotency-Key": unique("key")}).status_code == 201
                until(lambda seen=seen: len(kept_lines(books)) > seen, "it keeps nothing", within_s=PATIENCE_S)
                seen = len(kept_lines(books))
        expected = stored_lines(names)
        with running("consumer", tmp_path, BOOKS=str(books), LEDGER=service.base_url, KEY=key):
            until(lambda: expected.keys() <= kept_lines(books).keys(), "lines are missing", within_s=PATIENCE_S)
    assert {line: int(Decimal(kept) * 100) for line, kept in kept_lines(books).items() if line in expected} == expected
    assert "UNIQUE" not in (tmp_path / "consumer.log").read_text()
