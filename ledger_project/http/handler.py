"""The API's path from uvicorn to a view and back, without a change of thread.

Django's request, URL resolver and views are used. Parts of Django's ``ASGIHandler`` that an API
call does not need are left out; each costs more than the view:

* ``request_started`` and ``request_finished`` run synchronous receivers (query logs, connections)
  in a thread. Here no request takes a connection from the pool: reader threads and the engine keep
  their own (connections.py).
* ``response.close`` runs in a thread. Our responses hold nothing.
* A task listens for the client's disconnect. A posting must run to its end anyway.
* Synchronous middleware runs in a thread. The API's request id, log line and headers are written
  here.
* The body goes to a spooled file. Ours is at most 1 MiB and stays in memory.
* Every URL pattern is tried (15 µs and more). Ours are found by a table (routes.py).

The admin keeps Django's handler with all middleware (asgi.py).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import uuid_utils
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler, ASGIRequest, get_script_prefix
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import Resolver404, ResolverMatch, set_script_prefix
from structlog.contextvars import bind_contextvars

from ledger_project.http.asgi import AsgiScope, Receive, Send
from ledger_project.http.bodies import Disconnected, receive_body
from ledger_project.http.headers import joined, refusal_of_second
from ledger_project.http.html_pages import not_found_page, prefers_html
from ledger_project.http.problems import exception_response
from ledger_project.http.ready_answers import ANSWER, Answer
from ledger_project.http.responses import HSTS, STANDARD_HEADERS, ReadyResponse, header_lines
from ledger_project.http.routes import Routes
from ledger_project.http.views import ApiView
from ledger_project.kernel.errors import LedgerError, MalformedJson
from ledger_project.observability import metrics
from ledger_project.observability.log_lines import LineLogger

log = LineLogger("ledger.request")

_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)


def _meta_name(name: bytes) -> str | None:
    """Return the name of a header in ``META``; None for a name with an underscore, which could pass
    for another.
    """
    text = name.decode("latin-1")
    if "_" in text:
        return None
    text = text.upper().replace("-", "_")
    return text if text in {"CONTENT_LENGTH", "CONTENT_TYPE"} else f"HTTP_{text}"


_COMMON = (b"host", b"user-agent", b"accept", b"accept-encoding", b"connection", b"content-type", b"content-length", b"authorization")
_META_NAMES = {name: _meta_name(name) for name in (*_COMMON, b"idempotency-key", b"x-request-id", b"x-api-key", b"traceparent")}


class _Request(ASGIRequest):
    """Django's request, with the same attributes and ``META``, made in half the time.

    Its Content-Type is not parsed here: the view does so when it reads the body (parsing.py).
    Django would parse it first, and would fail on unknown encodings.
    """

    head_fault: LedgerError | None = None
    """A header that must be single is sent twice. The whole request is refused."""

    body_fault: LedgerError | None = None
    """The body is too large or incomplete. The view raises this after its checks of the caller."""

    def __init__(self, scope: AsgiScope, script_name: str) -> None:
        self.scope = scope
        self._post_parse_error = self._read_started = False
        self.resolver_match = None
        self.path = self.path_info = path = scope["path"]
        self.script_name = script_name
        if script_name:
            self.path_info = path.removeprefix(script_name)
        self.method = method = scope["method"].upper()
        self.content_type, self.content_params = "", {}
        client, server = scope.get("client") or ("", 0), scope.get("server") or ("unknown", 0)
        meta = {
            "REQUEST_METHOD": method,
            "QUERY_STRING": scope["query_string"].decode("utf-8", "surrogateescape"),  # judged by validation.py
            "SCRIPT_NAME": script_name,
            "PATH_INFO": self.path_info,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "REMOTE_ADDR": client[0],
            "REMOTE_HOST": client[0],
            "REMOTE_PORT": client[1],
            "SERVER_NAME": server[0],
            "SERVER_PORT": str(server[1]),
        }
        for name, value in scope["headers"]:
            known = _META_NAMES.get(name) or _meta_name(name)
            if known is not None:
                text = value.decode("latin-1")
                if known in meta:
                    self.head_fault = self.head_fault or refusal_of_second(name)
                    text = joined(name, meta[known], text)
                meta[known] = text
        self.META = meta
        self.request_id = _request_id(meta.get("HTTP_X_REQUEST_ID"))

    def take_body(self, body: bytes) -> None:
        """Have this as the body."""
        self._body = body
        self._stream = BytesIO(body)


class ApiHandler(ASGIHandler):
    """Django's ASGI handler without its changes of thread."""

    def load_middleware(self, is_async: bool = False) -> None:
        """Use no middleware: the view is called directly."""
        del is_async
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        self._middleware_chain = self._get_response_async  # type: ignore[attr-defined]  # private, and not in the stubs
        self._routes: Routes | None = None

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """Return the route of a request."""
        if self._routes is None:
            self._routes = Routes()
        match = self._routes.resolve(request.path_info)
        request.resolver_match = match
        return match

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:  # type: ignore[override]  # ASGI, written two ways
        """Answer one request."""
        started = time.perf_counter()
        prefix = get_script_prefix(scope)
        if prefix:
            set_script_prefix(prefix)
        request = _Request(scope, prefix)
        bind_contextvars(request_id=request.request_id)  # each request is a task with a context of its own: nothing is to be cleared
        try:
            response = await self._respond(request, receive)
        except Disconnected:
            return
        await _send(send, response, request)
        duration_s = time.perf_counter() - started
        _measure(request, response.status_code, duration_s)
        log.info(
            "request",
            method=request.method,
            path=request.path,
            status=response.status_code,
            ms=round(duration_s * 1000, 2),
            **getattr(request, "log", {}),
            request_id=request.request_id,
        )

    async def _respond(self, request: _Request, receive: Receive) -> HttpResponseBase:
        length, coding = request.META.get("CONTENT_LENGTH"), request.META.get("HTTP_TRANSFER_ENCODING")
        try:
            # In HTTP/1 a request without a Content-Length or Transfer-Encoding has no body (RFC
            # 9112, section 6.3): there is nothing to wait for.
            if length is None and coding is None and request.scope.get("http_version") in _HTTP_1:
                request.take_body(b"")
            else:
                request.take_body(await receive_body(receive, length=length, coding=coding))
        except LedgerError as fault:
            request.take_body(b"")
            request.body_fault = fault
        try:
            if request.head_fault is not None:
                raise request.head_fault
            match = self.resolve_request(request)
            view = getattr(match.func, "view_class", None)
            if view is not None and issubclass(view, ApiView):
                # One of our views: a coroutine without middleware, whose answer is ready. The
                # wrappers of ``as_view`` have nothing to do for it.
                response: HttpResponseBase = await view().async_dispatch(request, *match.args, **match.kwargs)
            else:
                response = await self._get_response_async(request)  # type: ignore[attr-defined]  # private, and not in the stubs
        except Exception as error:  # noqa: BLE001 - the outermost place: unknown routes, broken requests, and bugs with their traceback
            is_unknown = isinstance(error, Resolver404) and prefers_html(request)
            response = not_found_page(request) if is_unknown else exception_response(error, request)
        if request.body_fault is not None and not isinstance(request.body_fault, MalformedJson):
            response["connection"] = "close"  # what is left of the body is not read
        return response


_HTTP_1 = frozenset({"1.0", "1.1"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_metrics: dict[tuple[str, str, int], tuple[Any, Any]] = {}


def _measure(request: HttpRequest, status: int, duration_s: float) -> None:
    """Count a request under its route: callers must not be able to make labels."""
    match = request.resolver_match
    key = request.method if request.method in _METHODS else "other", match.route if match is not None else "none", status
    found = _metrics.get(key)
    if found is None:
        found = _metrics[key] = metrics.REQUESTS.labels(*key), metrics.REQUEST_SECONDS.labels(key[1])
    count, seconds = found
    count.inc()
    seconds.observe(duration_s)


def _request_id(sent: str | None) -> str:
    """Return the caller's request id if it is well formed, else a new one."""
    if sent is not None and _SANE_REQUEST_ID.fullmatch(sent):
        return sent
    return str(uuid_utils.uuid7())


_LINES = header_lines(STANDARD_HEADERS)


async def _send(send: Send, response: HttpResponseBase, request: _Request) -> None:
    if isinstance(response, ReadyResponse) and _sent_at_once(response, request):
        return
    own = {name.lower(): value for name, value in response.items()}
    if settings.LEDGER_HTTPS:
        own |= HSTS
    own["x-request-id"] = request.request_id
    if not isinstance(response, HttpResponse):
        await _send_stream(send, response, own, without_body=request.method == "HEAD")
        return
    content = response.content
    own["content-length"] = str(len(content))
    await send({"type": "http.response.start", "status": response.status_code, "headers": _pairs(STANDARD_HEADERS | own)})
    await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else content})


def _sent_at_once(response: ReadyResponse, request: _Request) -> bool:
    """Write a whole answer, if the server offers that and its headers are the usual ones."""
    at_once: Answer | None = request.scope.get("extensions", {}).get(ANSWER)
    if at_once is None or request.method == "HEAD":
        return False
    lines = response.own_lines()
    if lines is None or settings.LEDGER_HTTPS:
        return False
    content = response.content
    tail = f"x-request-id: {request.request_id}\r\ncontent-length: {len(content)}\r\n"
    return at_once(response.status_code, b"".join((_LINES, lines, tail.encode("latin-1"))), content)


async def _send_stream(send: Send, response: HttpResponseBase, own: Mapping[str, str], *, without_body: bool) -> None:
    await send({"type": "http.response.start", "status": response.status_code, "headers": _pairs({**STANDARD_HEADERS, **own})})
    if not without_body:
        async for part in response:  # type: ignore[attr-defined]  # a response that streams
            await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _pairs(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
