"""A receiver of webhooks for tests: a real HTTP server on loopback, in this process, which answers as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Received:
    """A request: when it came, its path, headers with small letters, and body."""

    at: float
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def event_id(self) -> str:
        return self.headers["webhook-id"]


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def answer(status: int, *headers: str, body: bytes = b"") -> bytes:
    """Return an answer on the wire."""
    lines = [f"HTTP/1.1 {status} Status", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


HANG = b"hang"
DROP = b"drop"

Answer = Callable[[Received], bytes]


@dataclass
class Receiver:
    """``received`` are all requests, in order; ``answer`` decides on the bytes that go back."""

    answer: Answer = lambda _: OK
    received: list[Received] = field(default_factory=list)
    url: str = ""
    connections: int = 0
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def wait_for(self, condition: Callable[[list[Received]], bool], timeout_s: float = 60.0) -> list[Received]:
        """Wait until what came meets a condition."""
        try:
            async with asyncio.timeout(timeout_s), self._news:
                await self._news.wait_for(lambda: condition(self.received))
        except TimeoutError:
            raise AssertionError(f"not met after {timeout_s} s: {[(one.path, one.event_id) for one in self.received]}") from None
        return self.received

    async def wait_for_events(self, *ids: str, timeout_s: float = 60.0) -> list[Received]:
        """Wait until each of these events has come."""
        return await self.wait_for(lambda received: set(ids) <= {one.event_id for one in received}, timeout_s)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                found = _LENGTH.search(head)
                body = await reader.readexactly(int(found[1])) if found else b""
                line, *fields = head.decode("latin-1").rstrip().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in fields)}
                request = Received(asyncio.get_running_loop().time(), line.split(" ")[1], headers, body)
                async with self._news:
                    self.received.append(request)
                    self._news.notify_all()
                sent = self.answer(request)
                if sent == HANG:
                    await asyncio.Event().wait()
                if sent == DROP:
                    break
                writer.write(sent)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def receiving(answer_: Answer = lambda _: OK) -> AsyncIterator[Receiver]:
    """Run a receiver; its URL is of loopback."""
    receiver = Receiver(answer_)
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(receiver.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks"
    try:
        yield receiver
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
