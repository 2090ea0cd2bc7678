"""The API's path from uvicorn to a view and back: Django's request, URL resolver and views, and no thread hop.

What Django's own ``ASGIHandler`` does for every request and an API call does not need, each measured to cost more than the view:

* ``request_started`` and ``request_finished`` run synchronous receivers (resetting query logs, returning connections) in a thread.
  Nothing on this path takes one from the pool: reader threads and the engine keep their own (connections.py).
* ``response.close`` runs in a thread. Our responses have their bytes ready and hold nothing.
* A task listens for the client's disconnect and the request runs in another. A posting must run to its end anyway.
* Synchronous middleware runs in a thread. The API needs a request id, a log line and a few headers: they are here.
* The body goes to a spooled file. It is at most 1 MiB: it stays in memory.
* The URL is resolved by trying every pattern (15 µs). Routes without parameters are remembered; there are as many as there are views.
* Settings are looked up through a lazy object (0.5 µs each, a dozen a request): what the path needs is read once.

The admin keeps Django's handler with the full stack of middleware (asgi.py).
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from io import BytesIO
from typing import Any
from uuid import UUID

import uuid_utils
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler, ASGIRequest, get_script_prefix
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch, get_resolver, set_script_prefix
from structlog.contextvars import bind_contextvars

from ledger_project import metrics
from ledger_project.http.problems import exception_response
from ledger_project.log_writer import LineLogger

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

log = LineLogger("ledger.request")

_SANE_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")

_HEADERS = {
    "x-content-type-options": (b"x-content-type-options", b"nosniff"),
    "cache-control": (b"cache-control", b"no-store"),
    "referrer-policy": (b"referrer-policy", b"no-referrer"),
    "x-frame-options": (b"x-frame-options", b"DENY"),
    "content-security-policy": (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
}


_HSTS = (b"strict-transport-security", f"max-age={365 * 24 * 3600}; includeSubDomains; preload".encode())


class _TooLarge(Exception):
    """The body passed the limit."""


class _Disconnected(Exception):
    """The client went away before its request was complete."""


class _Request(ASGIRequest):
    """A request whose Content-Type nobody has looked at: the view does, when it reads a body (parsing.py).

    Django would parse it here, fail on encodings that do not exist, and read the query string in those that do.
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        del meta
        self.content_type, self.content_params = "", {}


class ApiHandler(ASGIHandler):
    """Django's ASGI handler without the hops."""

    def load_middleware(self, is_async: bool = False) -> None:
        """Have no middleware: straight to the view."""
        del is_async
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        self._middleware_chain = self._get_response_async  # type: ignore[attr-defined]
        self._routes: dict[str, ResolverMatch] = {}

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """Return the route of a request; the same as Django's, but those without parameters are looked up once."""
        match = self._routes.get(request.path_info)
        if match is None:
            match = get_resolver().resolve(request.path_info)
            if not match.kwargs and not match.args:
                self._routes[request.path_info] = match
        request.resolver_match = match
        return match

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # type: ignore[override]
        """Answer one request."""
        started = time.perf_counter()
        request_id = _request_id(scope)
        bind_contextvars(request_id=request_id)  # each request is a task with a context of its own: nothing is to be cleared
        if prefix := get_script_prefix(scope):
            set_script_prefix(prefix)
        try:
            request, response = await self._respond(scope, receive, request_id)
        except _Disconnected:
            return
        await _send(send, response, request_id, without_body=request.method == "HEAD")
        duration_s = time.perf_counter() - started
        _measure(request, response.status_code, duration_s)
        log.info(
            "request",
            method=request.method,
            path=request.path,
            status=response.status_code,
            ms=round(duration_s * 1000, 2),
            **getattr(request, "log", {}),
        )

    async def _respond(self, scope: Scope, receive: Receive, request_id: str) -> tuple[HttpRequest, HttpResponseBase]:
        try:
            body, too_large = await _read_body(scope, receive), False
        except _TooLarge:
            body, too_large = b"", True
        request = self._request(scope, body, request_id)
        request.body_too_large = too_large  # type: ignore[attr-defined]  # said by the view, once it knows that the caller may know
        response: HttpResponseBase
        try:
            response = await self._get_response_async(request)  # type: ignore[attr-defined]
        except Exception as error:  # noqa: BLE001 - the outermost place: unknown routes, broken requests, and bugs with their traceback
            response = exception_response(error, request)
        if too_large:
            response["Connection"] = "close"  # what is left of the body is not read
        return request, response

    def _request(self, scope: Scope, body: bytes, request_id: str) -> ASGIRequest:
        request = _Request(scope, BytesIO(body))
        request._body = body
        request.request_id = request_id  # type: ignore[attr-defined]
        return request


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _measure(request: HttpRequest, status: int, duration_s: float) -> None:
    """Count a request under its route, so that callers cannot make labels."""
    match = request.resolver_match
    route = match.route if match is not None else "none"
    metrics.REQUESTS.labels(request.method if request.method in _METHODS else "other", route, status).inc()
    metrics.REQUEST_SECONDS.labels(route).observe(duration_s)


def _request_id(scope: Scope) -> str:
    """Return the caller's request id if it is a sane one, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _SANE_REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return str(UUID(int=uuid_utils.uuid7().int))


async def _read_body(scope: Scope, receive: Receive) -> bytes:
    """Return the whole body, unless it is or declares itself too large."""
    limit = settings.LEDGER_MAX_BODY_BYTES
    for name, value in scope["headers"]:
        if name == b"content-length" and (not value.isdigit() or int(value[:20]) > limit):
            raise _TooLarge
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Disconnected
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _TooLarge
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


async def _send(send: Send, response: HttpResponseBase, request_id: str, *, without_body: bool) -> None:
    own = {name.lower(): value for name, value in response.items()}
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in own.items()]
    headers += [header for name, header in _HEADERS.items() if name not in own]
    if settings.LEDGER_HTTPS:
        headers.append(_HSTS)
    headers.append((b"x-request-id", request_id.encode("ascii")))
    if isinstance(response, HttpResponse):
        content = response.content
        headers.append((b"content-length", str(len(content)).encode("ascii")))
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if without_body else content})
        return
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    if not without_body:
        async for part in response:  # type: ignore[attr-defined]
            await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
