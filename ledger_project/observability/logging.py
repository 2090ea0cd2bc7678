"""Logging: structlog and the standard library in one pipeline.

A thread of its own writes, so the event loop never waits.

There is one line for each request and one for each posting batch: JSON in production, readable text
in development. A line never has an idempotency key, a token or a body.
"""

from __future__ import annotations

import atexit
import logging
import logging.handlers
import queue
import sys
from typing import Literal, TextIO

import structlog

from ledger_project.kernel.configuration import ConfigurationError
from ledger_project.observability.log_lines import CoalescingListener, dumps_line

_listener: CoalescingListener | None = None


class _KeepRecord(logging.handlers.QueueHandler):
    """Hands records over unchanged: a thread of the same process formats them."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record


def configure_logging(*, log_format: Literal["json", "console"] | str, level: str) -> None:
    """Set up logging for this process.

    Raises ``ConfigurationError`` for a format or level that does not exist.
    """
    if log_format not in {"json", "console"}:
        raise ConfigurationError(f"LEDGER_LOG_FORMAT is {log_format!r}; it is 'json' or 'console'")
    if level not in logging.getLevelNamesMapping():
        raise ConfigurationError(f"LEDGER_LOG_LEVEL is {level!r}; it is one of {', '.join(logging.getLevelNamesMapping())}")
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(serializer=dumps_line)
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.processors.format_exc_info],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    output = logging.StreamHandler()
    output.setFormatter(formatter)
    _write_in_background(output, level, is_json=log_format == "json")


def _write_in_background(output: logging.StreamHandler[TextIO], level: str, *, is_json: bool) -> None:
    global _listener  # noqa: PLW0603 - one writing thread a process, replaced when logging is configured again
    if _listener is not None:
        _listener.stop()
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    _listener = CoalescingListener(records, output, is_json=is_json)
    _listener.start()
    atexit.register(_stop)
    # The lines do not show a record's thread and process. Finding them takes half of a record's
    # time.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers[:] = [_KeepRecord(records)]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "django", "django.server"):
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = name != "uvicorn.access"
    # Our own request line has the same content.
    logging.getLogger("django.request").setLevel(logging.ERROR)
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    logging.captureWarnings(capture=False)


def _stop() -> None:
    global _listener  # noqa: PLW0603 - the same
    if _listener is not None:
        _listener.stop()
        _listener = None
