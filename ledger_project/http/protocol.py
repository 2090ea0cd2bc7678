"""uvicorn's httptools protocol, bounded before a body and short after it.

* httptools itself would collect headers without end: a head that does not end in time is answered with 400.
* An answer that is ready as a whole is written as a whole (``ANSWER`` in the scope's extensions). ASGI's two messages with ten headers,
  each searched twice for what may not be in it, cost 25 µs, this 4.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

MAX_HEAD_BYTES = 64 * 1024
"""Largest request line and headers; a read of the socket more may pass."""

ANSWER = "ledger.answer"
"""Name of the extension: a function that takes a status, header lines (each with its line end) and a body, and returns whether they were
taken; if not, the usual messages are to be sent. Content-Length must be among the lines; Connection and Transfer-Encoding must not."""

Answer = Callable[[int, bytes, bytes], bool]


class _Defaults:
    """uvicorn's own header lines (the date); the list of them is a new one every second."""

    def __init__(self) -> None:
        self._headers: list[tuple[bytes, bytes]] | None = None
        self._lines = b""

    def lines(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        if headers is not self._headers:
            self._headers, self._lines = headers, b"".join(b"%s: %s\r\n" % header for header in headers)
        return self._lines


_defaults = _Defaults()


def _answer(cycle: RequestResponseCycle, status: int, lines: bytes, body: bytes) -> bool:
    """Do what uvicorn's cycle does for the two messages of an answer."""
    if cycle.response_started or cycle.flow.write_paused or cycle.access_log:
        return False
    cycle.response_started = cycle.response_complete = True
    if cycle.disconnected:
        return True
    closing = b"" if cycle.keep_alive else b"connection: close\r\n"
    cycle.transport.write(b"".join((STATUS_LINE[status], _defaults.lines(cycle.default_headers), lines, closing, b"\r\n", body)))
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True


class BoundedProtocol(HttpToolsProtocol):
    """Answers 400 and closes when a request's head does not end in time; offers ``ANSWER`` to the application."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head_bytes = 0

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is over."""
        self._in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Parse, unless there is no end to it."""
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("Request head too large.")

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.scope["extensions"] = {ANSWER: partial(_answer, cycle)}  # type: ignore[dict-item]  # an extension of our own
        super()._start_asgi_task(cycle, app)
