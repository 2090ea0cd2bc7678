"""``python -m benchmarks.receiver``: a receiver of webhooks that keeps how old each event is when it comes.

Prints its port. ``GET`` answers how many deliveries came since the last ``GET`` and their ages in seconds. An event's age counts from the
time in its id, which its posting has read before it commits: so it is a little more than the time from commit to delivery.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import uvloop

from ledger_project.kernel.ids import time_of

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_EVENT = re.compile(rb"\r\nwebhook-id: *([0-9a-f-]{36})", re.IGNORECASE)
_TAKEN = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"

_ages_s: list[float] = []


class _Receiver(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self.buffer, 0, end)
            size = end + 4 + (int(length[1]) if length else 0)
            if len(self.buffer) < size:
                return
            head, self.buffer = self.buffer[:end], self.buffer[size:]
            self.transport.write(self._answer(head))

    def _answer(self, head: bytes) -> bytes:
        if head.startswith(b"GET"):
            body = json.dumps(_ages_s).encode()
            _ages_s.clear()
            return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        if event := _EVENT.search(head):
            _ages_s.append(time.time() - time_of(UUID(event[1].decode())).timestamp())
        return _TAKEN


@dataclass(frozen=True, slots=True)
class Receiving:
    """A receiver that runs."""

    port: int

    @property
    def url(self) -> str:
        """Where deliveries go."""
        return f"http://127.0.0.1:{self.port}/"

    def ages_s(self) -> list[float]:
        """Return the ages of what came since the last call."""
        with urllib.request.urlopen(self.url, timeout=30) as answer:
            found: list[float] = json.load(answer)
        return found


@contextlib.contextmanager
def receiving() -> Iterator[Receiving]:
    """Have a receiver run in a process of its own until the block ends."""
    command = [sys.executable, "-m", "benchmarks.receiver"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Receiving(int(process.stdout.readline()))
        finally:
            process.kill()


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Receiver, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())
