"""Malformed requests by socket: whatever arrives is refused or hung up on, and leaves nothing behind.

A thousand here; ``make fuzz`` sends 10,000. An attack is made of FUZZ_SEED and its number, so one that is told below can be sent again.
"""

from __future__ import annotations

import asyncio
import os
import re
import struct
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET

import httpx
import psutil
import pytest
from django.conf import settings
from django.db import connection

from tests.fuzz.malformed import Attack, Forge
from tests.support.factories import key, unique
from tests.support.servers import Service
from transfers.models import LedgerEntry, Transfer

ATTACKS = 2 * int(os.environ.get("EXAMPLES", "500"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))

AT_ONCE = 48
WARM_UP = 400
"""Attacks before the first measurement: caches, pools and interpreters have their size then."""

PATIENCE_S = 0.4
"""How long an answer may take to begin. A server that waits for the rest of a request says nothing, which is right."""

GROWTH_BYTES = 24 * 2**20
"""How much larger a worker may be afterwards, whatever the number of attacks."""

CONNECTIONS = settings.LEDGER_READER_THREADS + settings.LEDGER_PAGE_CONNECTIONS + 6
"""Connections to the database that a worker may have: of threads that read, for pages, one for look-ups, two that post, and three that work
in the background (the mark of the feed, webhooks, figures)."""

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_RESET = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Seen:
    """What came back: answers by status (0: hung up without one, -1: waited for more), and those that nobody wanted."""

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def statuses_of(received: bytes) -> list[int]:
    """Return the status of every answer in a stream of them."""
    found = []
    while match := _STATUS.match(received):
        found.append(int(match[1]))
        head, _, rest = received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        received = rest[int(length[1]) if length else 0 :]
    return found


async def send(port: int, attack: Attack, *, patience_s: float = PATIENCE_S) -> tuple[bytes, bool]:
    """Send an attack and return what came back, and whether the server hung up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received, closed = b"", False
    try:
        with suppress(ConnectionError):
            for part in attack.parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(attack.pause_s)
        if attack.abort:
            writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, _RESET)
            return b"", True
        while not closed:
            try:
                piece = await asyncio.wait_for(reader.read(65536), patience_s)
            except TimeoutError:
                break
            except ConnectionError:
                closed = True
                break
            received, closed = received + piece, not piece
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    return received, closed


async def besiege(port: int, forge: Forge, numbers: range) -> Seen:
    """Send all attacks, many at once, and return what was seen."""
    seen, left = Seen(), iter(numbers)

    async def one_after_the_other() -> None:
        for number in left:
            attack = forge.attack(number)
            received, closed = await send(port, attack)
            statuses = statuses_of(received)
            seen.statuses.update(statuses or [0 if closed else -1])
            if any(not 400 <= status < 500 and status != 100 for status in statuses) or (received and not statuses):
                seen.wrong.append(f"{number} ({attack.name}) {statuses}: {b''.join(attack.parts)[:400]!r} -> {received[:300]!r}")

    await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))
    return seen


def attacked(port: int, forge: Forge, numbers: range) -> Seen:
    """Run the siege on an event loop of its own."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, besiege(port, forge, numbers)).result()


@dataclass(frozen=True, slots=True)
class Condition:
    """What the workers of a service hold on to."""

    memory: dict[int, int]
    files: dict[int, int]
    sessions: int
    in_transaction: int

    @classmethod
    def of(cls, service: Service) -> Condition:
        workers = [psutil.Process(pid) for pid in sorted(service.worker_pids())]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*), count(*) FILTER (WHERE state <> 'idle') FROM pg_stat_activity WHERE application_name = %s",
                [service.application_name],
            )
            sessions, in_transaction = cursor.fetchone()
        return cls({w.pid: w.memory_info().rss for w in workers}, {w.pid: w.num_fds() for w in workers}, sessions, in_transaction)


def settled(service: Service, before: Condition) -> Condition:
    """Return the condition once the last connections are gone, or after some seconds as it is."""
    deadline = time.monotonic() + 60
    while True:
        now = Condition.of(service)
        files_back = all(count <= before.files.get(pid, 0) + CONNECTIONS for pid, count in now.files.items())
        if (files_back and now.in_transaction == 0) or time.monotonic() > deadline:
            return now
        time.sleep(0.1)


@pytest.fixture(scope="module")
def besieged(ledger: None) -> Iterator[Service]:
    """A server as ``manage.py serve`` runs it."""
    del ledger
    with Service(workers=2) as running:
        yield running


def forge_on(client: httpx.Client) -> Forge:
    names = [unique(prefix) for prefix in ("poor", "rich", "payee")]
    for name, balance in zip(names, ("0", "1000000", "0"), strict=True):
        body = {"merchant_name": name, "currency": "USD", "initial_balance": balance}
        assert client.post("/merchants", json=body).status_code == 201
    return Forge(poor=names[0], rich=names[1], payee=names[2], seed=SEED)


def test_malformed_requests_are_refused_and_leave_nothing_behind(besieged: Service) -> None:
    with httpx.Client(base_url=besieged.base_url, timeout=30) as client:
        forge = forge_on(client)
        attacked(besieged.port, forge, range(-WARM_UP, 0))
        time.sleep(0.5)
        rows, before = (Transfer.objects.count(), LedgerEntry.objects.count()), Condition.of(besieged)

        started = time.monotonic()
        seen = attacked(besieged.port, forge, range(ATTACKS))
        took_s = time.monotonic() - started
        after = settled(besieged, before)

        growth = {pid: (after.memory.get(pid, 0) - before.memory[pid]) // 1024 for pid in before.memory}
        print(
            f"{ATTACKS} attacks in {took_s:.1f} s: {dict(sorted(seen.statuses.items()))}; memory {growth} KiB, "
            f"files {before.files} -> {after.files}, database sessions {before.sessions} -> {after.sessions}"
        )
        assert not seen.wrong, f"{len(seen.wrong)} wrong answers:\n" + "\n".join(seen.wrong[:20])
        assert seen.statuses.total() >= ATTACKS
        assert seen.statuses[400] > ATTACKS / 10, "most attacks never reached the parser"
        assert seen.statuses[409] > ATTACKS / 100, "no attack got as far as the ledger"
        assert after.memory.keys() == before.memory.keys(), "a worker died"
        assert max(growth.values()) * 1024 < GROWTH_BYTES
        assert all(after.files[pid] <= before.files[pid] + CONNECTIONS for pid in before.files)
        assert after.sessions <= CONNECTIONS * besieged.workers
        assert after.in_transaction == 0
        assert (Transfer.objects.count(), LedgerEntry.objects.count()) == rows, "an attack moved money"

        for _ in range(20):  # over new connections, so that both workers are asked
            asked = time.monotonic()
            assert httpx.get(f"{besieged.base_url}/readyz", timeout=30).status_code == 200
            assert time.monotonic() - asked < 10
        body = {"from_merchant": forge.rich, "to_merchant": forge.payee, "currency": "USD", "amount_minor": 100}
        assert client.post("/transfers", json=body, headers=key()).status_code == 201
        assert Transfer.objects.count() == rows[0] + 1


def test_what_is_smuggled_would_move_money_if_it_were_read(besieged: Service) -> None:
    """The attack above proves something only because the hidden request is a good one."""
    with httpx.Client(base_url=besieged.base_url, timeout=30) as client:
        forge = forge_on(client)
    hidden = next(raw for number in range(10_000) if (raw := _hidden(forge.attack(number))))
    received, _ = asyncio.run(send(besieged.port, Attack("alone", [hidden + b"GET /healthz HTTP/1.0\r\n\r\n"]), patience_s=30))
    assert statuses_of(received) == [201, 200]  # the second ends the connection


def _hidden(attack: Attack) -> bytes:
    return (
        b"POST /transfers" + attack.parts[0].rpartition(b"POST /transfers")[2]
        if attack.name == "a transfer behind a broken request"
        else b""
    )
