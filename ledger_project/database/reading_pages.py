"""Pages: lists and statements, one statement each, read without threads.

They have connections of their own, so that a slow list never holds up a balance
(reading_lane.py). Each connection reads one page at a time. Beyond ``LEDGER_READ_QUEUE_MAX``
waiting pages, callers get 503.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence

from django.conf import settings

from ledger_project.database import sqlstates
from ledger_project.database.loop_connection import GRACE_S, LoopConnection, Row
from ledger_project.database.lost_rows import forget_all
from ledger_project.database.reading_lane import too_many_reads

PAGES: Mapping[str, str] = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
"""Settings of the sessions that read pages.

A page is a walk along an index and look-ups of what it finds, whatever is asked for. So its plan is
made once, and must not become a scan because the tables were small when it was made.
"""


class _Pages:
    """The connections for pages of one event loop. Each reads one page at a time."""

    def __init__(self) -> None:
        self._idle: list[LoopConnection] = []
        self._open = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def read(self, statement: str, parameters: Sequence[object]) -> list[Row]:
        """Return the rows of a statement."""
        await self._take_turn()
        try:
            return await self._read_once(statement, parameters)
        except Exception as error:
            if not sqlstates.drops_connection(error):
                raise
            forget_all()
            return await self._read_once(statement, parameters)
        finally:
            self._end_turn()

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    async def _take_turn(self) -> None:
        if self._open < settings.LEDGER_PAGE_CONNECTIONS:
            self._open += 1
            return
        if len(self._waiting) >= settings.LEDGER_READ_QUEUE_MAX:
            raise too_many_reads()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._end_turn()
            raise

    def _end_turn(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._open -= 1

    async def _free_connection(self) -> LoopConnection:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return await LoopConnection.open(PAGES)

    async def _read_once(self, statement: str, parameters: Sequence[object]) -> list[Row]:
        connection = await self._free_connection()
        alarm = asyncio.get_running_loop().call_later(settings.LEDGER_READ_TIMEOUT + GRACE_S, connection.close)
        try:
            return await connection.send(statement, parameters)
        except Exception as error:
            if sqlstates.drops_connection(error):
                connection.close()
            raise
        finally:
            alarm.cancel()
            if connection.is_busy:
                connection.close()  # the caller has given up: the next one must not wait for its page
            elif connection.is_open:
                self._idle.append(connection)


_pages: dict[asyncio.AbstractEventLoop, _Pages] = {}


async def read_page(statement: str, parameters: Sequence[object]) -> list[Row]:
    """Return the rows of one statement with psycopg's placeholders, in binary form.

    Raises ``DatabaseUnavailable`` if too many reads wait, and the driver's errors.
    """
    loop = asyncio.get_running_loop()
    pages = _pages.get(loop)
    if pages is None:
        pages = _pages[loop] = _Pages()
    return await pages.read(statement, parameters)


async def close_pages() -> None:
    """Close the running loop's connections. Nobody may be waiting for a page."""
    pages = _pages.pop(asyncio.get_running_loop(), None)
    if pages is not None:
        pages.close()
