"""A span for each API request. It continues the caller's trace (W3C ``traceparent``)."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from opentelemetry import propagate, trace

from ledger_project.http.asgi import Application, AsgiScope, Receive, Send
from ledger_project.http.headers import read_headers
from ledger_project.observability import tracing


def traced(inner: Application) -> Application:
    """Return an ASGI application that traces each request of the inner one."""
    tracer = tracing.current().tracer

    async def application(scope: AsgiScope, receive: Receive, send: Send) -> None:
        headers, _ = read_headers(scope["headers"])
        context = propagate.extract({name.decode("latin-1"): text for name, text in headers.items()})
        with tracer.start_as_current_span(scope["method"], context=context, kind=trace.SpanKind.SERVER) as span:
            span.set_attribute("http.request.method", scope["method"])
            span.set_attribute("url.path", scope["path"])

            async def noting(message: MutableMapping[str, Any]) -> None:
                if message["type"] == "http.response.start":
                    _note_response(span, message)
                await send(message)

            # Without extensions the answer is sent through ``noting``.
            await inner({**scope, "extensions": {}}, receive, noting)

    return application


def _note_response(span: trace.Span, message: MutableMapping[str, Any]) -> None:
    span.set_attribute("http.response.status_code", message["status"])
    for name, value in message["headers"]:
        if name == b"x-request-id":
            span.set_attribute("ledger.request_id", value.decode("ascii"))
    if message["status"] >= 500:
        span.set_status(trace.StatusCode.ERROR)
