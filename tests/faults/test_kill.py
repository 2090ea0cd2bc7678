"""Killed at any moment, nothing is half done, and repeating every request with its key is safe.

The load goes on until the fault has been done, however fast or slow the machine is.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable

import psutil
import psycopg

from tests.faults.load import Load, merchants
from tests.support.servers import Service, database_url


async def begin(service: Service) -> Load:
    """Return a load that is well under way."""
    load = Load(service.base_url, list(await merchants(service.base_url)))
    load.start()
    await load.reach(150)
    return load


async def end(load: Load, *, more: int = 100) -> None:
    """Let the load go on for a while after the fault, then stop it and prove that nothing was lost or doubled."""
    await load.reach(load.acknowledged + more)
    await load.stop()
    await load.settle()
    with psycopg.connect(database_url(), autocommit=True) as raw:
        await load.prove(raw)


async def test_the_server_killed_in_the_middle_of_load(serve: Callable[..., Service]) -> None:
    service = serve(workers=2)
    load = await begin(service)
    await asyncio.to_thread(service.kill_all)
    await asyncio.to_thread(service.start)
    await end(load)


async def test_one_worker_killed_is_replaced_and_nothing_is_lost(serve: Callable[..., Service]) -> None:
    service = serve(workers=2)
    load = await begin(service)
    victim = service.worker_pids()[0]
    os.kill(victim, signal.SIGKILL)
    async with asyncio.timeout(60):
        while victim in (pids := service.worker_pids()) or len(pids) < 2:
            await asyncio.sleep(0.05)
    await end(load)


def _terminate(application_name: str) -> int:
    with psycopg.connect(database_url(), autocommit=True) as raw:
        statement = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
        return len(raw.execute(statement, [application_name]).fetchall())


async def test_the_database_connections_of_the_service_killed(serve: Callable[..., Service]) -> None:
    """Three times in a row, each time as soon as the service has connected again: it posts again at once, on a busy machine within 30 s."""
    service = serve(workers=1)
    load = await begin(service)
    for _ in range(3):
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(_terminate, service.application_name):
                await asyncio.sleep(0.01)
    killed_at = time.monotonic()
    await load.reach(load.acknowledged + 1)
    assert time.monotonic() - killed_at < 30
    await end(load)
    assert await asyncio.to_thread(service.stop) in {0, -signal.SIGTERM}, "SIGTERM after the fault did not end the service"


async def test_sigterm_answers_what_it_has_begun(serve: Callable[..., Service]) -> None:
    """Clients stay connected and go on sending: the service ends all the same, and what it posted it has answered."""
    service = serve(workers=1)
    load = await begin(service)
    assert service.process is not None
    assert await asyncio.to_thread(service.stop) in {0, -signal.SIGTERM}
    await load.stop()
    assert not psutil.pid_exists(service.process.pid)
    with psycopg.connect(database_url(), autocommit=True) as raw:
        keys = [command.key for command in load.commands if command.answer is None]
        rows = raw.execute("SELECT memo FROM transfers_transfer WHERE memo = ANY(%s)", [keys]).fetchall()
        assert not rows, "SIGTERM lost an answer to something that was posted"
