"""OpenTelemetry traces, where an OTLP endpoint is set (``OTEL_EXPORTER_OTLP_ENDPOINT``); otherwise none of this is even imported.

A span for each API request, continuing the caller's trace (W3C ``traceparent``), and one for each posting transaction. The exporter is
configured by OpenTelemetry's own environment variables.
"""

from __future__ import annotations

import os
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from ledger_project.http.bodies import Receive
from ledger_project.http.handler import Scope, Send
from ledger_project.http.headers import read_headers

if TYPE_CHECKING:
    from transfers.posting.reports import BatchReport


class Tracing:
    """A tracer provider and what uses it."""

    def __init__(self) -> None:
        self.provider = TracerProvider(resource=Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "ledger")}))
        self.provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self.provider.get_tracer("ledger")

    def application(self, inner: Any) -> Any:
        """Return an ASGI application that traces each request of the inner one."""

        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            headers, _ = read_headers(scope["headers"])
            context = propagate.extract({name.decode("latin-1"): text for name, text in headers.items()})
            with self._tracer.start_as_current_span(scope["method"], context=context, kind=trace.SpanKind.SERVER) as span:
                span.set_attribute("http.request.method", scope["method"])
                span.set_attribute("url.path", scope["path"])

                async def noting(message: Any) -> None:
                    if message["type"] == "http.response.start":
                        _note_response(span, message)
                    await send(message)

                # Without extensions, so that the answer comes by here.
                await inner({**scope, "extensions": {}}, receive, noting)

        return traced

    def batch(self, report: BatchReport) -> None:
        """Record a posting transaction; an observer of the engine."""
        now_ns = time.time_ns()
        span = self._tracer.start_span("posting", start_time=now_ns - int(report.duration_s * 1e9))
        for name in ("size", "posted", "refused", "failed"):
            span.set_attribute(f"ledger.{name}", getattr(report, name))
        span.end(now_ns)

    async def stop(self) -> None:
        """Send what is left."""
        self.provider.shutdown()


@cache
def current() -> Tracing:
    """Return this process's tracing."""
    return Tracing()


def _note_response(span: trace.Span, message: Any) -> None:
    span.set_attribute("http.response.status_code", message["status"])
    for name, value in message["headers"]:
        if name == b"x-request-id":
            span.set_attribute("ledger.request_id", value.decode("ascii"))
    if message["status"] >= 500:
        span.set_status(trace.StatusCode.ERROR)
