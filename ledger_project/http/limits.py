"""How long a connection may take, and how many there may be, in one process.

One look at all connections every half second, and one whole number to write when a request begins and ends: a timer for each request would
cost more than the rest of its bookkeeping. Time is counted in looks, not in seconds of a clock: while the process itself was held up, the
bytes that its callers sent in time were waiting, and no caller is blamed for that.
"""

from __future__ import annotations

import asyncio
import math
import resource
from collections.abc import Iterable
from typing import Protocol

import structlog
from django.conf import settings

from ledger_project.kernel.errors import InvalidRequest, Unavailable

LOOK_S = 0.5

SEARCH_PAUSE_S = 0.02
"""How long connections that come are refused without another search when all were at work."""

NEVER = 2**62
"""A look that does not come: nobody waits for the client."""

OTHER_FILES = 100
"""Files that a process needs beside its connections: those to the database, logs, metrics, modules."""

log = structlog.get_logger(__name__)


class RequestTimeout(InvalidRequest):
    """The rest of a request did not come in time."""

    code = "request_timeout"
    title = "Request timeout"

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"The {what} of the request did not come whole within {seconds:g} s. Nothing was done; send it again.")


class TooManyConnections(Unavailable):
    """The process keeps no more connections, and all of them are at work."""

    code = "too_many_connections"
    title = "Too many connections"

    def __init__(self) -> None:
        super().__init__("This service has as many connections as it keeps; try again, with the same Idempotency-Key if you sent one.")


class Connection(Protocol):
    """What the limits know of a connection."""

    due: int
    """The look at which its client must have sent what it is about to send, or taken what is sent to it."""

    since: int
    """The look at which the client was waited for last."""

    @property
    def is_waiting(self) -> bool:
        """Whether nothing of it would be lost if it were closed: no whole request is being answered."""

    def look(self, now: int) -> None:
        """See whether it is too late."""

    def make_room(self) -> None:
        """Close at once, for others."""


def looks(seconds: float) -> int:
    """Return after how many looks at least so much time has passed."""
    return math.ceil(seconds / LOOK_S) + 1


def open_files_limit() -> int:
    """Return how many files this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return NEVER if soft == resource.RLIM_INFINITY else soft


class Limits:
    """The limits of one process, over all of its connections."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connections: Iterable[Connection]) -> None:
        self._loop, self._connections = loop, connections
        self._timer: asyncio.TimerHandle | None = None
        self._victims: list[Connection] = []
        self._told_at = -1
        self._search_again_at = 0.0
        self.now = 0
        self.most = max(1, min(settings.LEDGER_CONNECTIONS_MAX, open_files_limit() - OTHER_FILES))
        self.head, self.body = looks(settings.LEDGER_HEAD_TIMEOUT), looks(settings.LEDGER_BODY_TIMEOUT)
        self.write = looks(settings.LEDGER_WRITE_TIMEOUT)

    def admit(self, newest: Connection, *, count: int) -> bool:
        """Whether a new connection, the ``count``-th, may stay; with too many, the one that has waited longest makes room for it."""
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK_S, self._look)
        if count <= self.most:
            return True
        victim = self._victim(newest)
        if victim is None:
            return False
        victim.make_room()
        return True

    def _victim(self, newest: Connection) -> Connection | None:
        """Return the connection that has waited longest; None if all are being answered. One search serves many that come at once."""
        if self._told_at != self.now:
            self._told_at = self.now
            log.warning("connections.full", most=self.most)
        while self._victims or self._loop.time() >= self._search_again_at:
            while self._victims:
                candidate = self._victims.pop()
                if candidate.is_waiting:
                    return candidate
            waiting = [connection for connection in self._connections if connection.is_waiting and connection is not newest]
            self._victims = sorted(waiting, key=lambda connection: connection.since, reverse=True)
            if not self._victims:
                self._search_again_at = self._loop.time() + SEARCH_PAUSE_S
        return None

    def _look(self) -> None:
        self.now += 1
        connections = list(self._connections)
        for connection in connections:
            connection.look(self.now)
        self._victims.clear()
        self._timer = self._loop.call_later(LOOK_S, self._look) if connections else None
