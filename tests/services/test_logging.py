"""The request's line looks the same whichever way it takes to the output."""

from __future__ import annotations

import io
import json
import logging
import logging.handlers
import queue

import pytest

from ledger_project.observability.log_lines import CoalescingListener, LineLogger, dumps_line


@pytest.fixture
def logger() -> logging.Logger:
    found = logging.getLogger("ledger.test_lines")
    found.setLevel(logging.INFO)
    found.propagate = False
    return found


def written(logger: logging.Logger, *, is_json: bool) -> list[dict[str, object]]:
    """Log two lines through a listener of that kind and return what it wrote."""
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    stream = io.StringIO()
    output = logging.StreamHandler(stream)
    output.format = lambda record: dumps_line(record.msg)
    handler = logging.handlers.QueueHandler(records)
    handler.prepare = lambda record: record
    logger.handlers[:] = [handler]
    listener = CoalescingListener(records, output, is_json=is_json)
    listener.start()
    log = LineLogger(logger.name)
    log.info("request", method="GET", path="/ü\n", status=200, ms=1.25)
    log.info("request", big=10**30)
    listener.stop()
    logger.handlers.clear()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_the_same_with_a_record_and_without(logger: logging.Logger) -> None:
    direct, through_records = written(logger, is_json=True), written(logger, is_json=False)
    assert [list(line) for line in direct] == [list(line) for line in through_records]
    for line in direct + through_records:
        assert line.pop("timestamp")
    assert direct == through_records
    assert direct[0] == {
        "method": "GET", "path": "/ü\n", "status": 200, "ms": 1.25, "event": "request", "level": "info", "logger": logger.name,
    }  # fmt: skip
    assert direct[1]["big"] == 10**30


def test_what_is_below_the_level_is_not_written(logger: logging.Logger) -> None:
    logger.setLevel(logging.WARNING)
    assert written(logger, is_json=True) == []
