"""The application with an engine that fails when a request's memo asks for it: what a bug in the engine's own task would do."""

from __future__ import annotations

from typing import Any

from ledger_project.asgi import application
from transfers.posting.engine import Engine

BREAK = "break the posting engine"

_next_batch = Engine._next_batch


def _breaking(self: Engine) -> Any:
    for waiting in self._queue:
        details = getattr(waiting.job.items[0].command, "details", None)
        if details is not None and details.memo == BREAK:
            raise RuntimeError(BREAK)
    return _next_batch(self)


Engine._next_batch = _breaking

__all__ = ["application"]
