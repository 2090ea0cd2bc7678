"""Log lines off the event loop: cheap to hand over, written many at a time.

* ``CoalescingListener``: the standard library's listener wakes its thread for every record. Under load that is a hand-over of the
  interpreter's lock for every line, which cost more than the line (a seventh of a worker's time). This one sleeps for a moment after it
  has written, so producers find nobody waiting, and writes all that has come since in one go.
* ``LineLogger``: for lines that every request writes. structlog's wrapper and the search for the calling frame cost 25 µs a line. Here
  a line of JSON is handed over as the dictionary that it is, without a record and without a formatter (2 µs); for another format it goes
  through a record to the formatter that writes all others. It looks the same either way.

A line reaches the output up to ``PAUSE_S`` late. What a process that is killed had not written yet is lost, as with any queue.
"""

from __future__ import annotations

import contextlib
import json
import logging
import logging.handlers
import queue
import threading
from datetime import UTC, datetime
from typing import Any

import orjson

PAUSE_S = 0.05
"""How long lines may pile up before they are written together."""


def dumps_line(value: Any, default: Any = repr, **_options: Any) -> str:
    """Return a line's JSON; integers beyond 64 bits by the slower writer."""
    try:
        return orjson.dumps(value, default=default).decode()
    except TypeError:
        return json.dumps(value, default=default)


class _Direct:
    """Where lines of JSON may be put as dictionaries, if anywhere."""

    records: queue.SimpleQueue[Any] | None = None


class CoalescingListener(logging.handlers.QueueListener):
    """Writes what has piled up in the queue in one go, then lets it pile up for a moment. ``is_json`` says what the output's format is."""

    def __init__(self, records: queue.SimpleQueue[Any], output: logging.StreamHandler[Any], *, is_json: bool) -> None:
        super().__init__(records, output)
        _Direct.records = records if is_json else None
        self._records, self._output = records, output
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Write what is left and end the thread."""
        if _Direct.records is self._records:
            _Direct.records = None
        self._stopping.set()
        super().stop()

    def _monitor(self) -> None:
        while True:
            batch = [self._records.get()]
            with contextlib.suppress(queue.Empty):
                while True:
                    batch.append(self._records.get_nowait())
            self._write([record for record in batch if record is not None])
            if None in batch:  # the standard library's sentinel
                return
            self._stopping.wait(PAUSE_S)

    def _write(self, records: list[logging.LogRecord | dict[str, object]]) -> None:
        lines = []
        for record in records:
            try:
                line = dumps_line(record) if isinstance(record, dict) else self._output.format(record)
                lines.append(line + self._output.terminator)
            except Exception:  # noqa: BLE001 - as logging.Handler does: a line that cannot be written is reported on stderr
                self._output.handleError(logging.makeLogRecord({"msg": repr(record)}) if isinstance(record, dict) else record)
        if lines:
            try:
                self._output.stream.write("".join(lines))
                self._output.flush()
            except (OSError, ValueError):
                self._output.handleError(logging.makeLogRecord({"msg": lines[-1]}))


class LineLogger:
    """Logs an event with its fields at level INFO, like a structlog logger of that name, at a fraction of its price."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def info(self, event: str, **fields: object) -> None:
        """Hand a line over. What structlog has bound to the context is not looked for: the line says all itself."""
        if not self._logger.isEnabledFor(logging.INFO):
            return
        moment = datetime.now(UTC).isoformat()[:-6] + "Z"
        line = {**fields, "event": event, "level": "info", "logger": self._logger.name, "timestamp": moment}
        if _Direct.records is not None:
            _Direct.records.put(line)
            return
        record = logging.LogRecord(self._logger.name, logging.INFO, "", 0, line, None, None)
        # What structlog's ProcessorFormatter knows its own records by.
        record._logger, record._name = self._logger, "info"
        self._logger.handle(record)
