"""What the process needs to live is watched: a part that fails is told, and the process is replaced."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import httpx
import psutil
import pytest

from ledger_project.database.readers import in_reader
from ledger_project.process import lifecycle
from tests.support.broken_engine import BREAK
from tests.support.factories import merchant, transfer
from tests.support.servers import Service
from transfers.posting import reports as reporting
from transfers.posting.reports import BatchReport


@pytest.fixture
def broken_observer() -> Iterator[list[BatchReport]]:
    """An observer of batches that fails each time, and what it saw."""
    seen: list[BatchReport] = []

    def observe(report: BatchReport) -> None:
        seen.append(report)
        raise RuntimeError("an observer with a bug")

    reporting.observers.insert(0, observe)
    yield seen
    reporting.observers.remove(observe)


async def test_an_observer_that_fails_ends_nothing(api: httpx.AsyncClient, broken_observer: list[BatchReport]) -> None:
    source, target = await merchant(api, "100"), await merchant(api)
    for _ in range(3):
        assert (await transfer(api, source, target, 100)).status_code == 201
    assert len(broken_observer) >= 3
    assert (await api.get("/healthz")).status_code == 200


async def test_a_task_that_fails_is_told_by_both_health_pages_and_ends_the_process(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []
    monkeypatch.setattr(lifecycle, "_failed", [])
    monkeypatch.setattr(lifecycle, "end_process", lambda: ended.append("ended"))

    async def fail() -> None:
        raise RuntimeError("a bug")

    task = asyncio.create_task(fail(), name="something-needed")
    lifecycle.must_live(task)
    await asyncio.wait({task})
    await asyncio.sleep(0)
    assert ended == ["ended"]
    for path in ("/healthz", "/readyz"):
        answer = await api.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert "something-needed" in answer.json()["detail"]


async def test_a_worker_whose_engine_fails_is_replaced_and_its_callers_are_told(ledger: None) -> None:
    del ledger
    service = Service(workers=2)
    service.app = "tests.support.broken_engine:application"
    service.start()
    try:
        workers = set(service.worker_pids())
        async with httpx.AsyncClient(base_url=service.base_url, timeout=60) as http:
            source, target = await merchant(http, "100"), await merchant(http)
            told = await transfer(http, source, target, 100, memo=BREAK)
            assert (told.status_code, told.json()["code"]) == (503, "database_unavailable")
            await in_reader(_wait_for_an_end, workers)
        async with httpx.AsyncClient(base_url=service.base_url, timeout=60) as http:
            for _ in range(5):
                assert (await transfer(http, source, target, 100)).status_code == 201
    finally:
        service.stop()


def _wait_for_an_end(pids: set[int]) -> None:
    """Return when one of these processes is gone."""
    deadline = time.monotonic() + 60
    while all(psutil.pid_exists(pid) for pid in pids):
        assert time.monotonic() < deadline, "the worker lives on"
        time.sleep(0.02)
