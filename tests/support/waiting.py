"""Waits for what no event tells: the state of another process, or of a session of the database."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(happened: Callable[[], object], why: str, *, within_s: float = 60, pause_s: float = 0.02) -> None:
    """Wait until it has happened. Fails with ``why`` if it does not within so many seconds."""
    patience_ends = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < patience_ends, why
        time.sleep(pause_s)
