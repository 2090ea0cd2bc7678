"""The figures of a process that serves no callers: a port for Prometheus, and nothing else."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from ledger_project.observability.metrics import exposition

_HEAD_BYTES = 8192
_PATIENCE_S = 5.0
_ANSWER = "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"


async def serve_metrics(host: str, port: int) -> asyncio.Server:
    """Answer ``GET /metrics`` on an address, without a credential: bind it where only Prometheus
    comes. Raises ``OSError`` if the address cannot be had.
    """
    return await asyncio.start_server(_answer, host, port, limit=_HEAD_BYTES)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        async with asyncio.timeout(_PATIENCE_S):
            head = await reader.readuntil(b"\r\n\r\n")
            is_asked = head.startswith(b"GET /metrics ")
            body = exposition() if is_asked else b"GET /metrics is all that there is.\n"
            kind = "text/plain; version=0.0.4; charset=utf-8" if is_asked else "text/plain"
            writer.write(_ANSWER.format(status="200 OK" if is_asked else "404 Not Found", kind=kind, size=len(body)).encode() + body)
            await writer.drain()
    writer.close()
