"""The primary dies under load, the synchronous standby takes over: no acknowledged transfer is lost, and nobody restarts the service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connections

from ledger_project.http.health import check_readiness
from tests.faults.clusters import Cluster
from tests.faults.load import Load, merchants
from tests.support.servers import Service

STANDBY = "standby"
RECOVERY_LIMIT_S = 20
"""It takes a second, and longer beside other tests."""


@pytest.fixture
def pair(tmp_path: Path, ledger: None) -> Iterator[tuple[Cluster, Cluster]]:
    """A primary whose commits wait for its standby."""
    del ledger
    primary, standby = Cluster(tmp_path / "one"), Cluster(tmp_path / "two")
    try:
        primary.initialise()
        standby.clone(primary, name=STANDBY)
        with primary.connect() as connection:
            connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'")
            connection.execute("SELECT pg_reload_conf()")
        deadline = time.monotonic() + 60
        while primary.ask("SELECT sync_state FROM pg_stat_replication") != [("sync",)]:
            assert time.monotonic() < deadline, "the standby does not become synchronous"
            time.sleep(0.05)
        yield primary, standby
    finally:
        standby.remove()
        primary.remove()


def either(primary: Cluster, standby: Cluster) -> str:
    """Return the address under which the service finds whichever of the two takes writes."""
    return f"postgresql://postgres@{primary.address},{standby.address}/ledger?target_session_attrs=read-write"


def told_by(server: Cluster) -> str | None:
    """Return what a reader that is connected to a server says of its readiness."""
    values = {"HOST": "127.0.0.1", "PORT": str(server.port), "USER": "postgres", "NAME": "ledger"}
    connections["default"].settings_dict |= values
    try:
        return check_readiness()
    finally:
        connections.close_all()


async def test_a_failover_loses_nothing_that_was_acknowledged(pair: tuple[Cluster, Cluster], posting_thread: ThreadPoolExecutor) -> None:
    primary, standby = pair
    assert posting_thread.submit(told_by, primary).result() is None
    assert posting_thread.submit(told_by, standby).result() == "The database is a standby: it takes no writes."
    service = Service(workers=2, url=either(primary, standby))
    try:
        await asyncio.to_thread(service.start)
        wallets = await merchants(service.base_url)
        load = Load(service.base_url, list(wallets), mixed=True)
        load.wallets = wallets
        load.start()
        await load.reach(300)
        before = service.worker_pids()
        await asyncio.to_thread(primary.lose_power)
        await asyncio.to_thread(standby.promote)
        seconds = await load.recovered(time.monotonic())
        print(f"a transfer asked for after the promotion was acknowledged {seconds:.3f} s after it")
        await load.reach(load.acknowledged + 300)
        await load.stop()
        await load.settle()
        with standby.connect() as raw:
            await load.prove(raw)
        assert service.worker_pids() == before, "a worker had to be replaced"
        assert seconds < RECOVERY_LIMIT_S
    finally:
        await asyncio.to_thread(service.stop)
    assert '"verdict":"clean"' in standby.manage("reconcile", "--json").replace(" ", "")


async def test_without_its_synchronous_standby_nothing_is_acknowledged(pair: tuple[Cluster, Cluster]) -> None:
    """Also not where the role has a ``statement_timeout``: PostgreSQL does not count the wait for the standby."""
    primary, standby = pair
    with primary.connect() as connection:
        connection.execute("ALTER ROLE postgres SET statement_timeout = '300ms'")
    service = Service(workers=1, url=either(primary, standby), env={"LEDGER_POSTING_TIMEOUT": "2"})
    try:
        await asyncio.to_thread(service.start)
        wallets = await merchants(service.base_url, count=2)
        load = Load(service.base_url, list(wallets), clients=2)
        await asyncio.to_thread(standby.stop)
        load.start()
        async with asyncio.timeout(60):
            while not any(command.attempts > 1 for command in load.commands):
                await asyncio.sleep(0.05)
        assert load.acknowledged == 0, "acknowledged although only the primary has it"
        await asyncio.to_thread(standby.start)
        await load.reach(10)
        await load.stop()
        await load.settle()
        with primary.connect() as raw:
            await load.prove(raw)
    finally:
        await asyncio.to_thread(service.stop)
