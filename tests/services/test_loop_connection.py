"""A connection of the event loop notices its end, whichever loop it is and however the server ends it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import psycopg
import pytest
import uvloop
from django.db import DEFAULT_DB_ALIAS, connections

from ledger_project.database.loop_connection import LoopConnection
from tests.support.resetting_proxy import ResettingProxy, resetting_proxy

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

AT_ONCE_S = 5
"""Far below the time after which a silent server counts as lost."""


async def under_way(proxy: ResettingProxy) -> None:
    connection = await LoopConnection.open({})
    assert len(await connection.send("SELECT 1", [])) == 1
    proxy.resets_next = True
    answer = connection.send("SELECT 2", [])
    time.sleep(0.3)  # noqa: ASYNC251 - the loop is to stand still, so that it meets words and reset together
    with pytest.raises(psycopg.OperationalError):
        await asyncio.wait_for(answer, AT_ONCE_S)
    assert not connection.is_open


@pytest.mark.parametrize("loop", LOOPS)
def test_last_words_and_a_reset_that_come_together_end_it_at_once(ledger: None, monkeypatch: pytest.MonkeyPatch, loop: str) -> None:
    """uvloop calls a reader once for both, and never again."""
    with resetting_proxy() as proxy, asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        for name, value in (("HOST", "127.0.0.1"), ("PORT", str(proxy.port))):
            monkeypatch.setitem(connections.settings[DEFAULT_DB_ALIAS], name, value)
        runner.run(under_way(proxy))
