"""Requests that arrive together are posted together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from tests.support.factories import merchant, transfer
from transfers.posting import reports as reporting
from transfers.posting.reports import BatchReport


@pytest.fixture
def batches() -> Iterator[list[BatchReport]]:
    """What is posted from now on."""
    seen: list[BatchReport] = []
    observe = seen.append
    reporting.observers.append(observe)
    yield seen
    reporting.observers.remove(observe)


async def test_all_that_arrive_in_the_same_moment_are_one_posting(api: httpx.AsyncClient, batches: list[BatchReport]) -> None:
    names = await merchant(api, "1000"), await merchant(api, "1000")
    await transfer(api, *names, 100)
    batches.clear()
    answers = await asyncio.gather(*(transfer(api, *names, 100) for _ in range(40)))
    assert {answer.status_code for answer in answers} == {201}
    assert [batch.size for batch in batches] == [40]


async def test_one_alone_is_posted_at_once(api: httpx.AsyncClient, batches: list[BatchReport]) -> None:
    names = await merchant(api, "1000"), await merchant(api, "1000")
    batches.clear()
    for _ in range(8):
        assert (await transfer(api, *names, 100)).status_code == 201
    assert [batch.size for batch in batches] == [1] * 8
    # A time that the queue waits for others would be in each; a busy machine makes some of them late.
    assert min(batch.waited_s for batch in batches) < 0.01
