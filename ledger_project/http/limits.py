"""Time limits and the number of connections of one process.

All connections are looked at every half second. A request writes one integer when it begins and
when it ends: a timer for each request would cost more. Time is counted in looks, not by a clock:
while the process itself was held up, no caller is to blame.
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
"""Seconds without another search for a victim, after a search found none."""

NEVER = 2**62
"""A look that never comes: the client owes nothing."""

OTHER_FILES = 100
"""Files of a process besides its connections: database, logs, metrics, modules."""

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
    """A connection, as the limits see it."""

    due: int
    """The look by which its client must have sent, or taken, the next bytes."""

    since: int
    """The look at which it last began to wait for its client."""

    @property
    def is_waiting(self) -> bool:
        """Whether it can be closed without loss: it answers no whole request."""

    def look(self, now: int) -> None:
        """See whether it is too late."""

    def make_room(self) -> None:
        """Close at once, for others."""


def looks(seconds: float) -> int:
    """Return the number of looks after which at least this time has passed."""
    return math.ceil(seconds / LOOK_S) + 1


def open_files_limit() -> int:
    """Return the number of files that this process may open."""
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
        """Whether a new connection, the ``count``-th, may stay.

        If there are too many, the connection that has waited longest is closed.
        """
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
        """Return the connection that has waited longest; None if all are being answered.

        The result of one search serves many new connections.
        """
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
