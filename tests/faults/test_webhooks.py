"""Webhooks go on when the database is back: nobody waits for the lease of a sender that lives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from events.services.sending import LEASE_S
from tests.faults.clusters import Cluster
from tests.faults.load import Load, merchants
from tests.faults.webhooks import Received, ReceiverProcess, Webhooks
from tests.support.servers import Service

PATHS = {"/ordered", "/others"}

PATIENCE_S = 25
"""Less than a lease."""


@pytest.fixture
def cluster(tmp_path: Path, ledger: None) -> Iterator[Cluster]:
    """A database server that may be broken."""
    del ledger
    made = Cluster(tmp_path / "server")
    try:
        made.initialise()
        yield made
    finally:
        made.remove()


async def met(receiver: ReceiverProcess, condition: Callable[[list[Received]], bool], *, within_s: float) -> None:
    """Wait until what came meets a condition."""
    async with asyncio.timeout(within_s):
        while not condition(receiver.received()):
            await asyncio.sleep(0.05)


async def test_a_sender_whose_database_was_away_goes_on_at_once(cluster: Cluster, tmp_path: Path) -> None:
    assert PATIENCE_S < LEASE_S
    service = Service(workers=1, url=cluster.url)
    receiver = ReceiverProcess(tmp_path)
    webhooks = Webhooks(service.base_url, receiver)
    try:
        receiver.start()
        await asyncio.to_thread(service.start)
        await asyncio.to_thread(webhooks.register)
        load = Load(service.base_url, list(await merchants(service.base_url)), clients=8)
        load.start()
        await load.reach(200)
        await met(receiver, lambda received: len(received) > 50, within_s=60)  # the sender is in the middle of its turns
        await asyncio.to_thread(cluster.kill)
        await asyncio.sleep(1)  # long enough for a turn to fail, and to fail in giving its lease back
        await asyncio.to_thread(cluster.start)
        await load.reach(load.acknowledged + 50)
        newest = load.newest
        await met(receiver, lambda received: {one.path for one in received if one.event_id == newest} == PATHS, within_s=PATIENCE_S)
        await load.stop()
    finally:
        await asyncio.to_thread(service.stop)
        receiver.stop()
