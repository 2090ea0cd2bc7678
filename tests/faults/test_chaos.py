"""Everything that can break, broken under load, round after round: nothing acknowledged is lost, nothing is there twice, all adds up.

The short form runs in the suite; ``make chaos`` (SECONDS=600, CHAOS_SEED) goes on for as long as one likes. The report is printed, and
written as JSON to ``CHAOS_REPORT`` where that is set.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.environment import ROOT
from tests.faults.clusters import Cluster, SmallDisk
from tests.faults.feed_reader import FeedReader
from tests.faults.gremlin import KILLS, Gremlin
from tests.faults.load import Load, merchants
from tests.faults.webhooks import ReceiverProcess, Webhooks, Worker
from tests.faults.witness import recovered
from tests.support.lengths import length
from tests.support.servers import Service

SECONDS = float(os.environ.get("SECONDS", "0")) if os.environ.get("CHAOS") else 0
"""0 is the short form: each fault as often as ``SHORT`` says."""

SHORT = {
    "worker killed": length(short=2, long=5), "all workers killed": length(short=1, long=2), "backend killed": length(short=2, long=6),
    "backends terminated": length(short=1, long=5), "postmaster killed": length(short=2, long=5),
    "periodic worker killed": length(short=1, long=2), "receiver killed": length(short=1, long=2),
    "answers cut off": 1, "database stalled": 1, "connections taken": 1, "disk of the WAL full": 1,
}  # fmt: skip
OF_DELIVERIES = ("periodic worker killed", "receiver killed")
"""A killed sender's lease holds for half a minute, and a delivery that failed waits some seconds. So the short form has these faults in
its first half, and does not wait for them in the end."""

CATCHING_UP_S = 60 if SECONDS else 120
"""From the last fault to the last delivery. Other faults kill senders, too, in the long form."""

ACKNOWLEDGED_A_ROUND = 95
"""Transfers that must be acknowledged after each fault before the next round."""

RECOVERY_LIMIT_S = 5 if SECONDS else 20
"""From the database being back to the next acknowledged transfer. The short form runs beside other tests."""

START_LIMIT_S = 20 if SECONDS else 60
"""From the supervisor's new worker to the next acknowledged transfer: it has all of Django to load, beside the other tests."""

_RECONCILER = """
import io, sys, django
django.setup()
from django.core.management import call_command
from django.db import connections
for line in sys.stdin:
    out = io.StringIO()
    try:
        call_command("reconcile", "--json", stdout=out, stderr=out)
    except SystemExit:
        pass
    connections.close_all()
    connections['default'].close_pool()
    print(" ".join(out.getvalue().split()), flush=True)
"""


class Reconciler:
    """``manage.py reconcile``, in a process that stays, so that a round does not wait for Python to start."""

    def __init__(self, url: str) -> None:
        environment = os.environ | {"DATABASE_URL": url, "SECRET_KEY": "x", "DJANGO_SETTINGS_MODULE": "ledger_project.settings"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _RECONCILER], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def verdict(self) -> dict[str, Any]:
        """Return what it found, now."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print("reconcile", file=self.process.stdin, flush=True)
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def close(self) -> None:
        self.process.communicate()


@dataclass
class Report:
    """What was done and what came of it."""

    seed: int
    acknowledged: int = 0
    repeated_deliveries: int = 0
    """Deliveries that came to a receiver more than once."""
    catching_up_s: float = 0
    """From the last round to the last delivery."""
    refused: int = 0
    entries: int = 0
    seconds: float = 0
    recoveries: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    without: list[str] = field(default_factory=list)

    @property
    def rounds(self) -> int:
        return sum(map(len, self.recoveries.values()))

    @property
    def kill_rounds(self) -> int:
        return sum(len(self.recoveries[kind]) for kind in (*KILLS, *OF_DELIVERIES))

    def publish(self) -> None:
        """Print it, and write it where that is asked for."""
        text = json.dumps(self.document(), indent=1)
        print(text)
        if path := os.environ.get("CHAOS_REPORT"):
            Path(path).write_text(text + "\n")

    def document(self) -> dict[str, Any]:
        faults = {
            kind: {"rounds": len(times), "recovery_s_median": round(statistics.median(times), 3), "recovery_s_max": round(max(times), 3)}
            for kind, times in self.recoveries.items()
            if times
        }
        return {
            "seed": self.seed, "rounds": self.rounds, "kill_rounds": self.kill_rounds, "seconds": round(self.seconds, 1),
            "acknowledged_transfers": self.acknowledged, "repeated_deliveries": self.repeated_deliveries,
            "catching_up_s": round(self.catching_up_s, 1), "refused_commands": self.refused, "entries": self.entries,
            "faults": faults, "not_possible_here": self.without,
        }  # fmt: skip


@pytest.fixture
def chaos_disk(tmp_path: Path, ledger: None) -> Iterator[SmallDisk | None]:
    """A small disk for the WAL where one can be had; where not, that fault is left out, loudly."""
    del ledger
    probe = Cluster(tmp_path / "owner")
    owner = probe.binaries.owner
    shutil.rmtree(probe.home, ignore_errors=True)
    root = probe.home.parent / f"{probe.home.name}-disk"
    disk = SmallDisk(root)
    if owner is None or not disk.mount((owner.uid, owner.gid)):
        print(
            "\n!!! No small file system can be mounted here: the fault 'disk of the WAL full' is LEFT OUT.", file=sys.__stderr__, flush=True
        )
        yield None
    else:
        yield disk
        disk.unmount()
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def chaos_cluster(tmp_path: Path, chaos_disk: SmallDisk | None) -> Iterator[Cluster]:
    """A database server that may be broken."""
    cluster = Cluster(tmp_path / "server", wal=chaos_disk.path / "wal" if chaos_disk else None)
    try:
        cluster.initialise()
        yield cluster
    finally:
        cluster.remove()


def schedule(gremlin: Gremlin, dice: random.Random) -> Iterator[str]:
    """Yield the faults of the rounds: in the long form without end, all kinds alike."""
    if not SECONDS:
        kinds = [kind for kind in gremlin.faults for _ in range(SHORT[kind]) if kind not in OF_DELIVERIES]
        dice.shuffle(kinds)
        half = len(kinds) // 2
        first = kinds[:half] + [kind for kind in OF_DELIVERIES for _ in range(SHORT[kind])]
        dice.shuffle(first)
        yield from (*first, *kinds[half:])
        return
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        kinds = list(gremlin.faults)
        dice.shuffle(kinds)
        for kind in kinds:
            if time.monotonic() < until:
                yield kind


async def rounds(gremlin: Gremlin, report: Report, reconciler: Reconciler, reader: FeedReader) -> None:
    """Break something under load, see it come back, prove everything, again and again."""
    load, cluster = gremlin.load, gremlin.cluster
    started = time.monotonic()
    for kind in schedule(gremlin, gremlin.dice):
        load.start()
        await load.reach(load.acknowledged + 20)
        back_at = await gremlin.faults[kind]()
        report.recoveries[kind].append(await recovered(gremlin, kind, back_at))
        await gremlin.wait_for_workers()
        await load.reach(load.acknowledged + ACKNOWLEDGED_A_ROUND)
        await load.stop()
        await load.settle()
        await prove(load, cluster)
        await reader.catch_up()
        verdict = await asyncio.to_thread(reconciler.verdict)
        assert verdict["verdict"] == "clean", (kind, verdict)
        report.entries = verdict["entries_checked"]
    report.seconds = time.monotonic() - started
    with cluster.connect() as raw:
        reader.prove(raw)
    report.acknowledged = load.acknowledged
    report.refused = sum(1 for command in load.commands if command.answer is not None and command.answer.status_code >= 400)


async def prove(load: Load, cluster: Cluster) -> None:
    with cluster.connect() as raw:
        await load.prove(raw, replays=5)


def sending(dice: random.Random) -> dict[str, str]:
    """Return who sends deliveries: the periodic worker alone; in the long form perhaps the web processes too."""
    return {"LEDGER_PERIODIC": dice.choice(["worker", "web"]) if SECONDS else "worker"}


async def test_faults_of_every_kind_lose_and_double_nothing(chaos_cluster: Cluster, chaos_disk: SmallDisk | None, tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED", "0")) or random.randrange(1, 1 << 30)
    print(f"\nchaos: seed {seed}")
    # A request waits a second for its posting, so that a database that stands still makes it answer before it knows.
    limits = {"LEDGER_POSTING_TIMEOUT": "1", "LEDGER_IDEMPOTENCY_WAIT": "1"}
    service = Service(workers=2, url=chaos_cluster.url, env=limits | sending(random.Random(seed)))
    worker, receiver = Worker(service), ReceiverProcess(tmp_path)
    webhooks = Webhooks(service.base_url, receiver)
    reconciler = Reconciler(chaos_cluster.url)
    report = Report(seed, without=[] if chaos_disk else ["disk of the WAL full"])
    reader = FeedReader(service.base_url, dice=random.Random(seed))
    try:
        receiver.start()
        await asyncio.to_thread(service.start)
        worker.start()
        reader.start()
        await asyncio.to_thread(webhooks.register)
        wallets = await merchants(service.base_url, balance="100")
        load = Load(service.base_url, list(wallets), clients=16, seed=seed, mixed=True)
        load.wallets = wallets
        gremlin = Gremlin(service, chaos_cluster, load, disk=chaos_disk, dice=random.Random(seed))
        gremlin.faults |= dict(zip(OF_DELIVERIES, (worker.kill, receiver.kill), strict=True))
        await rounds(gremlin, report, reconciler, reader)
        began = time.monotonic()
        await webhooks.catch_up(reader.events, within_s=CATCHING_UP_S)
        report.catching_up_s = time.monotonic() - began
        report.repeated_deliveries = webhooks.prove(reader.events)
    finally:
        await reader.stop()
        reconciler.close()
        await asyncio.to_thread(worker.stop)
        await asyncio.to_thread(service.stop)
        receiver.stop()
    report.publish()
    if not SECONDS:
        assert report.kill_rounds >= length(short=9, long=25)
        assert report.acknowledged >= length(short=1_500, long=5_000)
    longest = {"worker killed": START_LIMIT_S, "all workers killed": START_LIMIT_S}
    slow = {kind: max(times) for kind, times in report.recoveries.items() if times and max(times) > longest.get(kind, RECOVERY_LIMIT_S)}
    assert not slow, f"took too long to come back: {slow}"
