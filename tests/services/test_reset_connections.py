"""A connection of the event loop that the server resets while an answer is on its way: noticed at once."""

from __future__ import annotations

import asyncio
import select
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import psycopg
import pytest
import uvloop
from django.db import connection, connections

from ledger_project.database.loop_connection import LoopConnection

FATAL = b"E" + struct.pack(">i", 4 + 27) + b"SFATAL\0VFATAL\0C57P01\0Mgo\0\0"
"""The message of a session that an administrator ends."""

HALF_A_ROW = b"D" + struct.pack(">ih", 500, 1) + struct.pack(">i", 490) + b"1234"


class Resetter:
    """Stands between a client and the server, passes everything on, and resets the client's connection when it is told to."""

    def __init__(self, server: str) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._server = server
        self._last_words: bytes | None = None
        self.is_reset = threading.Event()
        self._thread = threading.Thread(target=self._pass_on, daemon=True)
        self._thread.start()

    def reset_at_next_message(self, last_words: bytes) -> None:
        """Answer the next message with these bytes, and reset the connection."""
        self._last_words = last_words

    def _pass_on(self) -> None:
        client, _ = self._listening.accept()
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._server)
        while True:
            for readable in select.select([client, server], [], [])[0]:
                content = readable.recv(65536)
                if readable is client and self._last_words is not None:
                    client.sendall(self._last_words)
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    content = b""
                if not content:
                    client.close()
                    server.close()
                    self.is_reset.set()
                    return
                (server if readable is client else client).sendall(content)

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def resetter(ledger: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Resetter]:
    del ledger
    with connection.cursor() as cursor:
        cursor.execute("SELECT setting FROM pg_settings WHERE name IN ('unix_socket_directories', 'port') ORDER BY name")
        (port,), (folders,) = cursor.fetchall()
    made = Resetter(f"{folders.split(',')[0].strip()}/.s.PGSQL.{port}")
    monkeypatch.setitem(connections.settings["default"], "HOST", "127.0.0.1")
    monkeypatch.setitem(connections.settings["default"], "PORT", made.port)
    yield made
    made.close()


@pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
@pytest.mark.parametrize("last_words", [b"", FATAL, HALF_A_ROW], ids=["nothing", "fatal", "half a row"])
def test_a_reset_is_noticed_whatever_came_before_it(resetter: Resetter, last_words: bytes, loop: Callable[[], Any]) -> None:
    async def ask() -> None:
        lost = await LoopConnection.open({})
        assert await lost.send("SELECT %s::int", [7]) == [(7,)]
        resetter.reset_at_next_message(last_words)
        answer = lost.send("SELECT %s::int", [8])
        # The loop stands still until both are there: it is told of the last bytes and of the reset at once.
        assert resetter.is_reset.wait(60)
        with pytest.raises(psycopg.OperationalError):
            await asyncio.wait_for(answer, 60)
        assert not lost.is_open

    _run(ask(), loop)


def _run(work: Coroutine[Any, Any, None], loop: Callable[[], Any]) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=loop) as runner:
                runner.run(work)
        except BaseException as error:  # noqa: BLE001 - raised below, in the test's own thread
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
