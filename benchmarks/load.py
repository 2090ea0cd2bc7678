"""A small HTTP load generator: so many keep-alive connections, each sending its next request when it has its answer.

With a ``rate`` requests have their appointed times instead, and latency counts from the appointed time: a server that stalls cannot
hide it by making the generator wait.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import uvloop

NEW_KEY = b"@NEW-KEY@"
"""In a request: stands for a key that no other request has."""

Next = Callable[[random.Random], bytes]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_numbers = itertools.count(random.getrandbits(40) << 32)


@dataclass(slots=True)
class Result:
    """What a run measured: answers by status, every latency in seconds, and the processor seconds of whoever sent the requests."""

    duration_s: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)
    generator_cpu_s: float = 0.0

    @property
    def rate(self) -> float:
        """Successful answers a second."""
        return sum(n for status, n in self.statuses.items() if status < 300) / self.duration_s

    def percentile_ms(self, share: float) -> float:
        """The latency that this share of requests stayed below, in milliseconds."""
        return percentile_ms(self.latencies_s, share)


def percentile_ms(latencies_s: list[float], share: float) -> float:
    """The latency that this share stayed below, in milliseconds."""
    ordered = sorted(latencies_s)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else float("nan")


class _Lane(asyncio.Protocol):
    """One connection. Answers have a Content-Length, so finding their end needs no HTTP library, whose cost would be measured too."""

    def __init__(self, lanes: _Lanes, number: int) -> None:
        self.lanes, self.buffer, self.sent, self.ended = lanes, b"", 0.0, False
        self.due = lanes.started + number * lanes.period / lanes.connections
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.next()

    def next(self) -> None:
        assert self.transport is not None
        now = time.perf_counter()
        if now >= self.lanes.until:
            self.transport.close()
        elif self.lanes.period and self.due > now:
            asyncio.get_running_loop().call_later(self.due - now, self.send)
        else:
            self.send()

    def send(self) -> None:
        assert self.transport is not None
        if self.transport.is_closing():
            return
        self.sent = self.due if self.lanes.period else time.perf_counter()
        self.due += self.lanes.period
        self.transport.write(self.lanes.make(self.lanes.dice))

    def data_received(self, data: bytes) -> None:
        if self.buffer:
            data = self.buffer + data
        end = data.find(b"\r\n\r\n")
        length = _LENGTH.search(data, 0, end) if end >= 0 else None
        if length is None or len(data) < end + 4 + int(length[1]):
            self.buffer = data
            return
        self.buffer = b""
        result = self.lanes.result
        result.latencies_s.append(time.perf_counter() - self.sent)
        result.statuses[int(data[9:12])] += 1
        self.next()

    def connection_lost(self, exc: Exception | None) -> None:
        if time.perf_counter() < self.lanes.until:
            self.lanes.result.statuses[0] += 1  # a connection that the server closed: told as status 0
        del exc
        self.lanes.done()


class _Lanes:
    def __init__(self, make: Next, connections: int, seconds: float, rate: float) -> None:
        self.make, self.connections, self.result, self.dice = make, connections, Result(), random.Random()
        self.started = time.perf_counter()
        self.until, self.period = self.started + seconds, connections / rate if rate else 0.0
        self.open = connections
        self.finished = asyncio.get_running_loop().create_future()

    def done(self) -> None:
        self.open -= 1
        if self.open <= 0 and not self.finished.done():
            self.finished.set_result(None)


async def _run(port: int, make: Next, connections: int, seconds: float, rate: float) -> Result:
    before_s = time.thread_time()
    lanes = _Lanes(make, connections, seconds, rate)
    loop = asyncio.get_running_loop()
    for number in range(connections):
        await loop.create_connection(lambda number=number: _Lane(lanes, number), "127.0.0.1", port)
    await asyncio.wait_for(lanes.finished, seconds + 60)
    lanes.result.duration_s = time.perf_counter() - lanes.started
    lanes.result.generator_cpu_s = time.thread_time() - before_s
    return lanes.result


def run(port: int, make: Next, *, connections: int, seconds: float, rate: float = 0.0) -> Result:
    """Send requests for so long and return what was measured; ``rate`` requests a second, or as many as are answered."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(port, make, connections, seconds, rate))


def in_turn(requests: Sequence[bytes]) -> Next:
    """Return what gives these requests one after the other, for ever, each ``NEW_KEY`` in them made a key of its own."""
    turns = itertools.cycle([raw.split(NEW_KEY) for raw in requests])

    def make(_dice: random.Random) -> bytes:
        parts = next(turns)
        return parts[0] if len(parts) == 1 else new_key().encode().join(parts)

    return make


def new_key() -> str:
    """A key that no other request has."""
    return f"{next(_numbers):x}"


def post(path: str, body: bytes, key: str, *, credential: str = "") -> bytes:
    """Return the bytes of a POST with an idempotency key, and perhaps a credential."""
    authorization = f"Authorization: Bearer {credential}\r\n" if credential else ""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nIdempotency-Key: {key}\r\n{authorization}"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def get(path: str) -> bytes:
    """Return the bytes of a GET."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
