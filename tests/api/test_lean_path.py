"""The path of a transfer stays lean: one hop to the posting thread, and a handful of round trips to the database."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest
from asgiref.sync import SyncToAsync

from events.sending import process as sending
from events.upkeep import measuring
from tests.support import factories
from transfers.posting.pipeline import Session
from transfers.upkeep import periodic


@pytest.fixture
async def at_rest(api: httpx.AsyncClient) -> AsyncIterator[None]:
    """Let what the process does by itself rest, which leaves the event loop and asks the database at any moment."""
    del api
    works = (periodic, measuring, sending)
    for work in works:
        await work.stop()
    yield
    for work in works:
        await work.start()


@pytest.fixture
def hops(at_rest: None, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count every way in which a request could leave the event loop."""
    del at_rest
    seen: Counter[str] = Counter()
    loop_class = asyncio.base_events.BaseEventLoop
    run_in_executor, start, hop = loop_class.run_in_executor, threading.Thread.start, SyncToAsync.__call__

    def counted_executor(self: Any, executor: ThreadPoolExecutor | None, func: Any, *args: Any) -> Any:
        seen[executor._thread_name_prefix if executor is not None else "default executor"] += 1
        return run_in_executor(self, executor, func, *args)

    def counted_start(self: threading.Thread) -> None:
        seen["thread start"] += 1
        start(self)

    def counted_hop(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen["sync_to_async"] += 1
        return hop(self, *args, **kwargs)

    monkeypatch.setattr(loop_class, "run_in_executor", counted_executor)
    monkeypatch.setattr(threading.Thread, "start", counted_start)
    monkeypatch.setattr(SyncToAsync, "__call__", counted_hop)
    return seen


async def _usual_transfer(api: httpx.AsyncClient, names: tuple[str, str], headers: dict[str, str] | None = None) -> httpx.Response:
    response = await factories.transfer(api, *names, 100, headers=headers)
    assert response.status_code == 201, response.text
    return response


async def _acquainted(api: httpx.AsyncClient) -> tuple[str, str]:
    """Two merchants that the process has met, with all accounts open."""
    names = await factories.merchant(api, "100.00"), await factories.merchant(api, "100.00")
    for pair in (names, names[::-1], names):
        await _usual_transfer(api, pair)
    return names


async def test_a_transfer_leaves_the_event_loop_once_for_the_posting_thread(api: httpx.AsyncClient, hops: Counter[str]) -> None:
    names = await _acquainted(api)
    hops.clear()
    await _usual_transfer(api, names)
    assert hops == {"posting": 1}


async def test_a_replay_leaves_the_event_loop_once_for_the_posting_thread(api: httpx.AsyncClient, hops: Counter[str]) -> None:
    names, headers = await _acquainted(api), factories.key()
    first = await _usual_transfer(api, names, headers)
    hops.clear()
    again = await _usual_transfer(api, names, headers)
    assert hops == {"posting": 1}
    assert again.content == first.content


@pytest.mark.parametrize("page", ["/merchants/{name}/balance", "/accounts/{wallet}/statement", "/accounts/{wallet}"])
async def test_a_read_leaves_the_event_loop_for_a_reader_thread_only(api: httpx.AsyncClient, hops: Counter[str], page: str) -> None:
    name, _ = await _acquainted(api)
    path = page.format(name=name, wallet=await factories.wallet(api, name))
    await api.get(path)
    hops.clear()
    assert (await api.get(path)).status_code == 200
    assert set(hops) <= {"reader", "thread start"}  # a reader thread may be the first to be needed
    assert hops["reader"] <= 2


async def test_a_posting_takes_four_round_trips(api: httpx.AsyncClient, at_rest: None, monkeypatch: pytest.MonkeyPatch) -> None:
    del at_rest
    names = await _acquainted(api)
    trips: Counter[str] = Counter()
    exchange, execute, commit = Session._exchange, psycopg.Cursor.execute, psycopg.Connection.commit

    def on_posting_thread() -> bool:
        return threading.current_thread().name.startswith("posting")

    def counted_exchange(self: Session) -> Any:
        trips["pipeline"] += on_posting_thread()
        return exchange(self)

    def counted_execute(self: Any, *args: Any, **kwargs: Any) -> Any:
        trips["statement"] += on_posting_thread()
        return execute(self, *args, **kwargs)

    def counted_commit(self: Any) -> None:
        trips["commit"] += on_posting_thread()
        commit(self)

    monkeypatch.setattr(Session, "_exchange", counted_exchange)
    monkeypatch.setattr(psycopg.Cursor, "execute", counted_execute)
    monkeypatch.setattr(psycopg.Connection, "commit", counted_commit)
    await _usual_transfer(api, names)
    assert trips == Counter(pipeline=3, commit=1)  # BEGIN and claims, locks and facts, writes, COMMIT
