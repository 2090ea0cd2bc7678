"""The feed is exactly the journal, whatever is killed while it is written, moved on and read."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.clusters import Cluster
from tests.faults.feed_reader import FeedReader
from tests.faults.gremlin import Gremlin
from tests.faults.load import Load, merchants
from tests.support.servers import Service

FAULTS = ("worker killed", "backend killed", "all workers killed", "postmaster killed", "backends terminated")


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


async def test_a_reader_of_the_feed_misses_nothing_whatever_is_killed(cluster: Cluster) -> None:
    seed = int(os.environ.get("CHAOS_SEED", "0")) or random.randrange(1, 1 << 30)
    print(f"\nfeed: seed {seed}")
    dice = random.Random(seed)
    service = Service(workers=2, url=cluster.url, env={"LEDGER_POSTING_TIMEOUT": "1", "LEDGER_IDEMPOTENCY_WAIT": "1"})
    reader = None
    try:
        await asyncio.to_thread(service.start)
        reader = FeedReader(service.base_url, dice=dice)
        reader.start()
        wallets = await merchants(service.base_url, balance="100")
        load = Load(service.base_url, list(wallets), clients=16, seed=seed, mixed=True)
        load.wallets = wallets
        gremlin = Gremlin(service, cluster, load, disk=None, dice=dice)
        load.start()
        for kind in FAULTS:
            await load.reach(load.acknowledged + 40)
            await load.recovered(await gremlin.faults[kind]())
            await gremlin.wait_for_workers()
            await load.reach(load.acknowledged + 60)
        await load.stop()
        await load.settle()
        await reader.catch_up()
        with cluster.connect() as raw:
            reader.prove(raw)
            await load.prove(raw, replays=3)
        kinds = {event["type"] for event in reader.events}
        assert {"transfer.posted", "deposit.posted", "hold.placed", "merchant.created", "opening.posted"} <= kinds
    finally:
        if reader is not None:
            await reader.stop()
        await asyncio.to_thread(service.stop)
