"""uvicorn's httptools protocol, with limits before a body and a short way after it.

* httptools collects headers without end: here a head that is too long is answered with 400.
* uvicorn waits for a request without end: here a slow one is answered with 408 (limits.py).
* httptools stops behind a head with an ``Upgrade`` header and loses the body. A server may ignore
  the header (RFC 9110, section 7.8), so the rest is parsed as if it had not been sent.
* A request that is not complete reaches no view: neither malformed bytes, nor a body whose client
  stops sending. It is refused here, after the answers to earlier requests.
* An answer that is ready is written as a whole (ready_answers.py).
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import httptools
import uuid_utils
from django.conf import settings
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from ledger_project.http.limits import NEVER, Limits, RequestTimeout, TooManyConnections, looks
from ledger_project.http.problems import BadRequest, error_headers, problem
from ledger_project.http.ready_answers import ANSWER, default_lines, write_answer
from ledger_project.http.responses import HSTS, PROBLEM, STANDARD_HEADERS, header_lines
from ledger_project.kernel.errors import LedgerError, MalformedJson
from ledger_project.observability import metrics
from ledger_project.observability.log_lines import LineLogger
from ledger_project.process.wakeups import SETTLED, STOPPING

log = LineLogger("ledger.connection")

MAX_HEAD_BYTES = 64 * 1024
"""Largest request line with headers; one read of the socket may exceed it."""


def _refusal(error: LedgerError, defaults: bytes) -> bytes:
    """Return the whole answer to a malformed request, with uvicorn's header lines.

    It ends the connection.
    """
    request_id = str(uuid_utils.uuid7())
    status, body = problem(error, request_id=request_id)
    metrics.REQUESTS.labels("other", "none", status).inc()
    log.info("request", status=status, code=error.code, request_id=request_id)
    own = {"content-type": PROBLEM, "content-length": str(len(body)), "x-request-id": request_id, "connection": "close"}
    standard = STANDARD_HEADERS | HSTS if settings.LEDGER_HTTPS else STANDARD_HEADERS
    return STATUS_LINE[status] + defaults + header_lines({**standard, **error_headers(error), **own}) + b"\r\n" + body


_limits: WeakKeyDictionary[ServerState, Limits] = WeakKeyDictionary()


class BoundedProtocol(HttpToolsProtocol):
    """Refuses incomplete, malformed and slow requests; offers ``ANSWER`` to the application."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        limits = _limits.get(self.server_state)
        if limits is None:
            limits = _limits[self.server_state] = Limits(self.loop, self.connections)  # type: ignore[arg-type]  # all are of this class
        self._limits = limits
        self._keep_alive = looks(self.timeout_keep_alive)
        self._in_head, self._in_message = True, False
        self._head_bytes = 0
        self._had_body = False
        self._running: RequestResponseCycle | None = None
        self._last_answer: bytes | None = None
        self._is_over = False
        self.due, self.since = limits.now + limits.head, limits.now
        self._write_due = NEVER

    # The connection.

    def shutdown(self) -> None:
        """The server is to end: nobody waits for news any longer."""
        if not STOPPING.count:
            STOPPING.happen()
            SETTLED.happen()
        super().shutdown()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A client has come."""
        super().connection_made(transport)
        if not self._limits.admit(self, count=len(self.connections)):
            self._refuse(TooManyConnections())

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone.

        Its running request goes on to its end; waiting requests are not begun.
        """
        super().connection_lost(exc)
        if self._running is not None:
            self._running.disconnected = True
            self._running.message_event.set()

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn's closes in any case
        """The client sends no more.

        Whole requests are answered, an incomplete one is refused; then the connection closes.
        """
        if self._running is None:
            return False
        if self._is_over:
            pass  # what is being answered is the last before a refusal
        elif self._is_unfinished(self.cycle):
            self._refuse(MalformedJson("The connection ended before the body did: the request did not come whole."))
        else:
            self.cycle.keep_alive = False
        return self.scheme != "https"  # asyncio has no connection of TLS that is open on one side only

    def pause_writing(self) -> None:
        """The client does not take the sent bytes."""
        super().pause_writing()
        self._write_due = self._limits.now + self._limits.write

    def resume_writing(self) -> None:
        """The client takes bytes again."""
        super().resume_writing()
        self._write_due = NEVER

    # The limits.

    @property
    def is_waiting(self) -> bool:
        """Whether it can be closed without loss: it answers no whole request."""
        return not self.transport.is_closing() and (self._running is None or self._is_unfinished(self._running))

    def look(self, now: int) -> None:
        """Check whether the client is too late, with sending or with taking."""
        if self.transport.is_closing() and self._write_due == NEVER:
            self._write_due = now + self._limits.write
        if now >= self._write_due:
            self.transport.abort()
        elif now >= self.due and not self.transport.is_closing():
            self._time_is_up()

    def make_room(self) -> None:
        """Close at once, for others."""
        self._is_over = True
        self.transport.abort()

    def _time_is_up(self) -> None:
        if self._running is not None:
            self._refuse(RequestTimeout("body", settings.LEDGER_BODY_TIMEOUT))
        elif self._in_message and self._in_head:
            self._refuse(RequestTimeout("head", settings.LEDGER_HEAD_TIMEOUT))
        else:
            self.transport.close()

    def _wait(self, count: int) -> None:
        """Give the client this number of looks."""
        self.since = self._limits.now
        self.due = self.since + count

    # Bytes that come.

    def data_received(self, data: bytes) -> None:
        """Parse the bytes. A head, chunk extensions or trailers without end are refused."""
        if self._is_over:
            return
        self._had_body = False
        try:
            self._parse(data)
        except httptools.HttpParserError as error:
            self._refuse(BadRequest(f"This is no HTTP request: {error.__context__ or error}."))
            return
        if self._in_message and not self._had_body:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self._refuse(BadRequest(f"The request has more than {MAX_HEAD_BYTES} bytes of head, chunk extensions or trailers."))

    def _parse(self, data: bytes) -> None:
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                (length,) = upgrade.args  # of what was parsed: it ends with the head
                data = self._head_without_upgrade() + data[length:]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
            else:
                return

    def _head_without_upgrade(self) -> bytes:
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        for name, value in self.headers:
            if name == b"connection":
                options = [option for option in value.split(b",") if option.strip().lower() not in {b"upgrade", b"http2-settings"}]
                lines.append(b"connection: " + b",".join(options))
            elif name != b"upgrade":
                lines.append(name + b": " + value)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def _refuse(self, error: LedgerError) -> None:
        """Answer an incomplete or malformed request, after the requests before it, and close."""
        self._is_over = True
        latest = self.cycle
        if self._is_unfinished(latest):
            self.pipeline = deque(waiting for waiting in self.pipeline if waiting[0] is not latest)
            latest.disconnected = True  # for the application: nothing comes any more, and nobody listens
            latest.message_event.set()
            if latest is self._running:
                self._running = None
                if latest.response_started:
                    self.transport.close()
                    return
        self._last_answer = _refusal(error, default_lines(self.server_state.default_headers))
        if self._running is None:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._last_answer is not None:
            self.transport.write(self._last_answer)
        self.transport.close()

    # What the parser finds.

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head = self._in_message = True
        self._head_bytes = 0
        if self._running is None:
            self._wait(self._limits.head)
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header. Trailers behind a body in chunks are ignored (RFC 9110, section 6.5.1)."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete."""
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise ValueError("CONNECT is for proxies")
            return  # the parser stops here; ``_parse`` goes on without the header
        self._in_head = False
        self._head_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._had_body = True
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete."""
        if self.parser.should_upgrade():
            return
        self._in_message = False
        super().on_message_complete()
        if self._running is self.cycle:
            self.due = NEVER

    # What the application answers.

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        if cycle.more_body:
            self._wait(self._limits.body)
        else:
            self.due = NEVER
        cycle.scope["extensions"] = {ANSWER: partial(write_answer, cycle)}  # type: ignore[dict-item]  # an extension of our own
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """A request is answered: the next one begins, or the client's turn. No timer is needed."""
        self._running = None
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            self.flow.resume_reading()
            self._start_asgi_task(*self.pipeline.pop())
        elif self._last_answer is not None:
            self._hang_up()
        else:
            self.flow.resume_reading()
            self._wait(self._limits.head if self._in_message and self._in_head else self._keep_alive)

    @staticmethod
    def _is_unfinished(cycle: RequestResponseCycle | None) -> bool:
        """Whether a request is neither complete nor answered."""
        return cycle is not None and cycle.more_body and not cycle.response_complete
