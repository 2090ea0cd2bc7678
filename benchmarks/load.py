"""A small HTTP load generator: so many keep-alive connections, each sending its next request when it has its answer."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import uvloop

Next = Callable[[random.Random], bytes]


@dataclass(slots=True)
class Result:
    """What a run measured: answers by status, and every latency in seconds."""

    duration_s: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Successful answers a second."""
        return sum(n for status, n in self.statuses.items() if status < 300) / self.duration_s

    def percentile_ms(self, share: float) -> float:
        """The latency that this share of requests stayed below, in milliseconds."""
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


class _Lane(asyncio.Protocol):
    """One connection. Answers have a Content-Length, so finding their end needs no HTTP library, whose cost would be measured too."""

    def __init__(self, lanes: _Lanes) -> None:
        self.lanes, self.buffer, self.sent = lanes, b"", 0.0
        self.dice = random.Random(secrets.randbits(64))
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.send()

    def send(self) -> None:
        assert self.transport is not None
        if time.perf_counter() >= self.lanes.until:
            self.lanes.done()
            self.transport.close()
            return
        request = self.lanes.make(self.dice)
        self.sent = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, rest = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        at = head.lower().find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0])
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        result = self.lanes.result
        result.latencies_s.append(time.perf_counter() - self.sent)
        result.statuses[int(head[9:12])] += 1
        self.send()

    def connection_lost(self, _exc: Exception | None) -> None:
        self.lanes.done()


class _Lanes:
    def __init__(self, make: Next, connections: int, until: float) -> None:
        self.make, self.until, self.result = make, until, Result()
        self.open = connections * 2
        self.finished = asyncio.get_running_loop().create_future()

    def done(self) -> None:
        self.open -= 1
        if self.open <= 0 and not self.finished.done():
            self.finished.set_result(None)


async def _run(port: int, make: Next, connections: int, seconds: float) -> Result:
    started = time.perf_counter()
    lanes = _Lanes(make, connections, started + seconds)
    for _ in range(connections):
        await asyncio.get_running_loop().create_connection(lambda: _Lane(lanes), "127.0.0.1", port)
    await asyncio.wait_for(lanes.finished, seconds + 30)
    lanes.result.duration_s = time.perf_counter() - started
    return lanes.result


def run(port: int, make: Next, *, connections: int, seconds: float) -> Result:
    """Send requests for so long and return what was measured."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(port, make, connections, seconds))


def post(path: str, body: bytes, key: str) -> bytes:
    """Return the bytes of a POST with an idempotency key."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nIdempotency-Key: {key}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
