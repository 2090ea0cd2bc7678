"""Killed at any moment, nothing is half done, and repeating every request with its key is safe."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable

import httpx
import psutil
from django.db import connection

from ledger_project.readers import in_reader
from tests.factories import balance_minor, key, merchant
from tests.invariants import check_invariants
from tests.servers import Service

Request = tuple[dict[str, object], dict[str, str]]


def requests_between(names: list[str], count: int) -> list[Request]:
    dice = random.Random(11)
    made = []
    for _ in range(count):
        source, target = dice.sample(names, 2)
        made.append(({"from_merchant": source, "to_merchant": target, "currency": "USD", "amount_minor": dice.randint(1, 500)}, key()))
    return made


async def send_all(base_url: str, requests: list[Request], answers: dict[str, httpx.Response], *, lanes: int = 40) -> None:
    """Send the requests that have no answer yet; what cannot be sent or answered stays open."""
    waiting = [request for request in requests if request[1]["Idempotency-Key"] not in answers]
    async with httpx.AsyncClient(base_url=base_url, timeout=20, limits=httpx.Limits(max_connections=lanes)) as client:

        async def lane() -> None:
            while waiting:
                body, headers = waiting.pop()
                try:
                    answer = await client.post("/transfers", json=body, headers=headers)
                except httpx.HTTPError:
                    continue
                if answer.status_code in {201, 409}:
                    answers[headers["Idempotency-Key"]] = answer

        await asyncio.gather(*[lane() for _ in range(lanes)])


async def settle(service: Service, requests: list[Request], answers: dict[str, httpx.Response]) -> None:
    """Repeat with the same keys until every request has its answer."""
    for _ in range(20):
        await send_all(service.base_url, requests, answers)
        if len(answers) == len(requests):
            return
        await asyncio.to_thread(service.wait_ready)
    raise AssertionError(f"{len(requests) - len(answers)} requests never got an answer")


def stored_transfers(names: list[str]) -> Counter[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.id::text FROM transfers_transfer t JOIN merchants_account a ON a.id = t.source_id "
            "JOIN merchants_merchant m ON m.id = a.merchant_id WHERE m.name = ANY(%s) AND t.kind = 'transfer'",
            [names],
        )
        return Counter(row[0] for row in cursor.fetchall())


async def prove(service: Service, names: list[str], requests: list[Request], answers: dict[str, httpx.Response]) -> None:
    """Each acknowledged transfer is there exactly once, nothing else is there, and what is repeated gives the same answer."""
    acknowledged = [a.json()["id"] for a in answers.values() if a.status_code == 201]
    assert Counter(acknowledged) == await in_reader(stored_transfers, names)
    await in_reader(check_invariants)
    async with httpx.AsyncClient(base_url=service.base_url, timeout=20) as client:
        for body, headers in random.Random(5).sample(requests, 20):
            again = await client.post("/transfers", json=body, headers=headers)
            assert again.content == answers[headers["Idempotency-Key"]].content
        fees = sum(a.json()["fee_minor"] for a in answers.values() if a.status_code == 201)
        assert sum([await balance_minor(client, name) for name in names]) == len(names) * 100_000 - fees


async def merchants(service: Service, count: int = 8) -> list[str]:
    async with httpx.AsyncClient(base_url=service.base_url, timeout=20) as client:
        return [await merchant(client, "1000") for _ in range(count)]


async def run_with_fault(service: Service, fault: Callable[[], None], *, count: int = 1500) -> None:
    names = await merchants(service)
    requests, answers = requests_between(names, count), {}
    load = asyncio.create_task(send_all(service.base_url, requests, answers))
    while len(answers) < count // 5:
        await asyncio.sleep(0.005)
    await asyncio.to_thread(fault)
    assert len(answers) < count, "the fault came after the load"
    await load
    await settle(service, requests, answers)
    await prove(service, names, requests, answers)


async def test_the_server_killed_in_the_middle_of_load(serve: Callable[..., Service]) -> None:
    service = serve(workers=2)

    def kill_and_start_again() -> None:
        service.kill_all()
        service.start()

    await run_with_fault(service, kill_and_start_again)


async def test_one_worker_killed_is_replaced_and_nothing_is_lost(serve: Callable[..., Service]) -> None:
    service = serve(workers=2)
    await run_with_fault(service, lambda: os.kill(service.worker_pids()[0], signal.SIGKILL))
    assert len(service.worker_pids()) == 2


def _terminated(application_name: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", [application_name])
        return len(cursor.fetchall())


async def test_the_database_connections_of_the_service_killed(serve: Callable[..., Service]) -> None:
    service = serve(workers=1)

    def terminate_backends() -> None:
        for _ in range(3):
            deadline = time.monotonic() + 5
            while not _terminated(service.application_name):
                assert time.monotonic() < deadline, "the service has not connected again within 5 s"
                time.sleep(0.01)
        connection.close()

    names = await merchants(service)
    requests, answers = requests_between(names, 1500), {}
    load = asyncio.create_task(send_all(service.base_url, requests, answers))
    while len(answers) < 300:
        await asyncio.sleep(0.005)
    await asyncio.to_thread(terminate_backends)
    await load
    await settle(service, requests, answers)
    await prove(service, names, requests, answers)


async def test_sigterm_answers_what_it_has_begun(serve: Callable[..., Service]) -> None:
    service = serve(workers=1)
    names = await merchants(service)
    requests, answers = requests_between(names, 600), {}
    load = asyncio.create_task(send_all(service.base_url, requests, answers))
    while len(answers) < 100:
        await asyncio.sleep(0.005)
    assert await asyncio.to_thread(service.stop) in {0, -15}
    await load
    assert not [p for p in psutil.pids() if p == service.process.pid and psutil.Process(p).status() != "zombie"]  # type: ignore[union-attr]
    stored = await in_reader(stored_transfers, names)
    acknowledged = [a.json()["id"] for a in answers.values() if a.status_code == 201]
    assert set(acknowledged) == set(stored), "SIGTERM lost an answer to something that was posted"
