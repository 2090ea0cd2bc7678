"""The mover of the feed's mark in a serving process and in the worker.

It moves the mark after the engine of its process has committed, and looks four times a second for
what others have posted. All processes together move it about ten times a second under load, once a
second while nothing happens. The statements go out on a connection of its own, by the event loop:
no thread, no lock that a posting waits for.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import structlog
from django.conf import settings

from ledger_project.database.loop_connection import GRACE_S, LoopConnection
from ledger_project.observability import metrics
from ledger_project.process.wakeups import POSTED, SETTLED
from transfers.selectors.mark import FeedState
from transfers.services.mark import move_steps

log = structlog.get_logger(__name__)

IDLE_S = 1.0
"""How far the mark may be behind the clock while nothing happens."""

GAP_S = 0.1
"""The time between two moves, by whichever process."""

POLL_S = 0.25
"""How often a process looks for what others have posted."""

_SESSION: Mapping[str, str] = {"enable_seqscan": "off", "jit": "off"}


def _is_due(state: FeedState) -> bool:
    """Whether to move now: something is not settled and nobody has just moved, or the mark is
    behind the clock.
    """
    just_moved = timedelta() <= state.now - state.moved_at < timedelta(seconds=GAP_S * 0.8)
    return (state.has_news and not just_moved) or state.lag_s > IDLE_S


class _Mover:
    """The connection of one event loop, and the mark as this process has seen it last."""

    def __init__(self) -> None:
        self._connection: LoopConnection | None = None
        self._settled_until: datetime | None = None

    async def turn(self) -> bool:
        """Look at the mark, and move it if that is due; return whether something is not settled."""
        if self._connection is None or not self._connection.is_open:
            self._connection = await LoopConnection.open(_SESSION)
        alarm = asyncio.get_running_loop().call_later(settings.LEDGER_READ_TIMEOUT + GRACE_S, self._connection.close)
        try:
            state = await self._move(self._connection)
        finally:
            alarm.cancel()
        metrics.FEED_LAG.set(max(0.0, state.lag_s))
        is_behind = state.has_news and state.settled_until == self._settled_until
        if state.settled_until != self._settled_until:
            self._settled_until = state.settled_until
            SETTLED.happen()
        return is_behind

    def give_up(self) -> None:
        """Close the connection, whose state is unknown; tell the lag by this process's clock."""
        self.close()
        if self._settled_until is not None:
            metrics.FEED_LAG.set((datetime.now(UTC) - self._settled_until).total_seconds())

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    async def _move(self, connection: LoopConnection) -> FeedState:
        steps = move_steps(_is_due)
        statement, parameters = next(steps)
        while True:
            rows = await connection.send(statement, parameters)
            try:
                statement, parameters = steps.send(rows)
            except StopIteration as end:
                state: FeedState = end.value
                return state


async def keep_moving(stopping: asyncio.Event) -> None:
    """Move the mark again and again until ``stopping`` is set or the task is cancelled."""
    mover = _Mover()
    try:
        while not stopping.is_set():
            seen, is_behind = POSTED.count, False
            try:
                is_behind = await mover.turn()
            except Exception as error:  # noqa: BLE001 - said in the log; the next round tries again
                log.warning("feed.mark_stays", error=type(error).__name__, detail=str(error)[:200])
                mover.give_up()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), GAP_S)
            if not is_behind and not stopping.is_set():
                await POSTED.wait(seen, timeout_s=POLL_S - GAP_S)
    finally:
        mover.close()
