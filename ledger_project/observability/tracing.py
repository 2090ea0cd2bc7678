"""OpenTelemetry traces.

This module is imported only where an OTLP endpoint is set (``OTEL_EXPORTER_OTLP_ENDPOINT``).

OpenTelemetry's own environment variables configure the exporter. ``http/tracing.py`` makes the
spans of requests.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import cache

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


class Tracing:
    """The tracer of a process, and its exporter."""

    def __init__(self) -> None:
        self._provider = TracerProvider(resource=Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "ledger")}))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self.tracer = self._provider.get_tracer("ledger")

    def record(self, name: str, *, duration_s: float, attributes: Mapping[str, int]) -> None:
        """Record a span of work that ends now."""
        now_ns = time.time_ns()
        self.tracer.start_span(name, start_time=now_ns - int(duration_s * 1e9), attributes=attributes).end(now_ns)

    async def stop(self) -> None:
        """Export the spans that were not exported yet."""
        self._provider.shutdown()


@cache
def current() -> Tracing:
    """Return this process's tracing."""
    return Tracing()
