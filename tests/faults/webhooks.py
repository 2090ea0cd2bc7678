"""Webhooks under faults: the worker that sends, the receiver, and the proof that each webhook got every event."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from standardwebhooks import Webhook

from tests.environment import ROOT
from tests.support.log_secrets import LOGS
from tests.support.servers import Service, free_port, with_suppressed_kill

NO_DAILY_WORK = [f"--{name}-every=0" for name in ("settle", "purge", "reconcile", "reconcile-new")]


class Worker:
    """``manage.py run_periodic`` beside a service. It may be killed, and ends by itself where it starts without a database.

    It is started again each time, as systemd would.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._process: subprocess.Popen[bytes] | None = None
        self._is_over = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise)

    def start(self) -> None:
        self._supervisor.start()

    def _supervise(self) -> None:
        LOGS.mkdir(parents=True, exist_ok=True)
        with (LOGS / f"worker-{self._service.port}.log").open("ab") as log:
            while not self._is_over.is_set():
                self._process = subprocess.Popen(
                    [sys.executable, "manage.py", "run_periodic", *NO_DAILY_WORK],
                    cwd=ROOT,
                    env=self._service.env,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
                self._process.wait()
                self._is_over.wait(0.2)

    async def kill(self) -> float:
        """SIGKILL it. Callers of the service must not notice."""
        if self._process is not None:
            with_suppressed_kill(self._process.pid)
        return time.monotonic()

    def stop(self) -> None:
        """End it, if it was started."""
        self._is_over.set()
        if self._process is not None:
            self._process.terminate()
            self._supervisor.join(30)


class Received(NamedTuple):
    """A request as the receiver has kept it."""

    path: str
    event_id: str
    timestamp: str
    signature: str
    body: str


class ReceiverProcess:
    """A receiver in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._file = folder / f"received-{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.faults.webhook_receiver", str(self.port), str(self._file)]
        self._process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)

    async def kill(self) -> float:
        """SIGKILL it and start it again."""
        assert self._process is not None
        with_suppressed_kill(self._process.pid)
        await asyncio.to_thread(self._process.wait)
        self.start()
        return time.monotonic()

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def received(self) -> list[Received]:
        """Return what it has kept, in the order of its coming; a line that a kill has cut off is nothing."""
        found = []
        for line in self._file.read_bytes().splitlines() if self._file.exists() else ():
            try:
                found.append(Received(*json.loads(line)))
            except ValueError:
                continue
        return found


class Webhooks:
    """Two webhooks for every event, an ordered one and one that is not."""

    def __init__(self, base_url: str, receiver: ReceiverProcess) -> None:
        self._base_url, self._receiver = base_url, receiver
        self._secrets: dict[str, str] = {}
        self._after = ""

    def register(self) -> None:
        """Register them. They begin with what happens after this call."""
        with httpx.Client(base_url=self._base_url, timeout=20) as client:
            for path, is_ordered in (("/ordered", True), ("/others", False)):
                body = {"url": f"http://127.0.0.1:{self._receiver.port}{path}", "ordered": is_ordered}
                made = client.post("/webhooks", json=body)
                assert made.status_code == 201, made.text
                self._secrets[path] = made.json()["secret"]
            self._after = client.get("/events", params={"after": "latest"}).json()["next_after"]

    async def catch_up(self, events: list[dict[str, Any]], *, within_s: float) -> None:
        """Wait until every webhook has got all these events that are its own."""
        wanted = {(path, event["id"]) for path in self._secrets for event in events if event["id"] > self._after}
        deadline = time.monotonic() + within_s
        while missing := wanted - {(one.path, one.event_id) for one in await asyncio.to_thread(self._receiver.received)}:
            assert time.monotonic() < deadline, f"{len(missing)} of {len(wanted)} deliveries are missing, as {sorted(missing)[:3]}"
            await asyncio.sleep(0.2)

    def prove(self, events: list[dict[str, Any]]) -> int:
        """Check that every webhook got each event at least once, as the feed shows it and signed; the ordered one in order.

        ``events`` are the feed. Returns how many deliveries came more than once.
        """
        mine = {event["id"]: event for event in events if event["id"] > self._after}
        received = self._receiver.received()
        for one in received:
            if one.event_id in mine:
                assert json.loads(one.body) == mine[one.event_id]
            at = datetime.fromtimestamp(int(one.timestamp), UTC)
            assert one.signature == Webhook(self._secrets[one.path]).sign(one.event_id, at, one.body)
        came = {path: [one.event_id for one in received if one.path == path and one.event_id in mine] for path in self._secrets}
        for path, ids in came.items():
            assert set(ids) == mine.keys(), f"{path} missed {len(mine.keys() - set(ids))}"
        # What was sent and not recorded is sent again; nothing comes before what precedes it.
        assert list(dict.fromkeys(came["/ordered"])) == list(mine)
        return sum(map(len, came.values())) - len(mine) * len(came)
