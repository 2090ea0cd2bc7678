"""Look-ups of the API without threads: what arrives together is read together.

``ask`` is for what is found by a key (a balance, an account, a transfer). There is one lane for
each process, with one connection. All questions that have arrived while the lane was waiting for
the database are sent together, those of a kind as one statement over an array. A lone question is
sent at once. Beyond ``LEDGER_READ_QUEUE_MAX`` waiting questions, and where the database does not
answer, callers get 503.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import psycopg
from django.conf import settings
from django.db import connection

from ledger_project.database import sqlstates
from ledger_project.database.loop_connection import GRACE_S, LoopConnection, Row
from ledger_project.database.lost_rows import forget_all
from ledger_project.kernel.errors import DatabaseUnavailable

K = TypeVar("K")
R = TypeVar("R")

LOOK_UPS: Mapping[str, str] = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
"""Settings of the lane's session. Every question is a look-up by key, so its plan never depends on
its keys: it is made once, and must not become a scan."""


@dataclass(frozen=True, slots=True, eq=False)
class Question(Generic[K, R]):
    """A kind of read: one statement that answers many keys.

    ``bind`` makes the parameters from the keys, ``read`` the answers from the rows. A key that is
    not among the answers has none.
    """

    statement: str
    bind: Callable[[Sequence[K]], Sequence[str]]
    read: Callable[[Iterable[Row]], Mapping[K, R]]


class _Batch(Generic[K, R]):
    """Keys of one kind that are asked for together, each with the callers who wait for it."""

    __slots__ = ("is_second", "question", "waiting")

    def __init__(self, question: Question[K, R]) -> None:
        self.question = question
        self.waiting: dict[K, list[asyncio.Future[R | None]]] = {}
        self.is_second = False

    def parts(self) -> Iterable[_Batch[K, R]]:
        """Return a batch for each key."""
        for key, futures in self.waiting.items():
            part = _Batch(self.question)
            part.waiting[key] = futures
            part.is_second = self.is_second
            yield part

    def answer(self, rows: Iterable[Row]) -> None:
        """Give each caller its answer. Raises what ``Question.read`` does."""
        answers = self.question.read(rows)
        for key, futures in self.waiting.items():
            answer = answers.get(key)
            for future in futures:
                if not future.done():
                    future.set_result(answer)

    def fail(self, error: Exception) -> None:
        """Tell all callers."""
        for futures in self.waiting.values():
            for future in futures:
                if not future.done():
                    future.set_exception(error)


class _Lane:
    """The questions of one event loop, and the connection that answers them."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection: LoopConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._waiting: dict[Question[Any, Any], _Batch[Any, Any]] = {}
        self._repeated: list[_Batch[Any, Any]] = []
        self._asked: set[_Batch[Any, Any]] = set()
        self._is_due = False
        self._count = 0
        self._alarm: asyncio.TimerHandle | None = None

    async def ask(self, question: Question[K, R], key: K) -> R | None:
        """Return the answer to a key, None if it has none."""
        if self._count >= settings.LEDGER_READ_QUEUE_MAX:
            raise too_many_reads()
        batch = self._waiting.get(question)
        if batch is None:
            batch = self._waiting[question] = _Batch(question)
        future: asyncio.Future[R | None] = self._loop.create_future()
        batch.waiting.setdefault(key, []).append(future)
        self._kick()
        self._count += 1
        try:
            return await future
        finally:
            self._count -= 1

    def close(self) -> None:
        """Close the connection. Whoever still waits gets an error."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.close()

    def _kick(self) -> None:
        """Have what waits sent in the next turn of the loop, unless the database is still busy."""
        if not self._is_due and not self._asked and (self._waiting or self._repeated):
            self._is_due = True
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        self._is_due = False
        if self._connection is None or not self._connection.is_open:
            if self._connecting is None:
                self._connecting = self._loop.create_task(self._connect())
            return
        batches = self._take_waiting()
        if not batches:  # a connection that could not be made has failed them
            return
        self._asked = set(batches)
        self._alarm = self._loop.call_later(settings.LEDGER_READ_TIMEOUT + GRACE_S, self._connection.close)
        for batch in batches:
            self._send_batch(batch, self._connection)

    def _send_batch(self, batch: _Batch[Any, Any], connection: LoopConnection) -> None:
        """Send a batch. One that cannot be sent fails alone: the lane must go on for all others."""
        try:
            rows = connection.send(batch.question.statement, batch.question.bind(list(batch.waiting)))
        except Exception as error:  # noqa: BLE001 - the callers are told
            rows = self._loop.create_future()
            rows.set_exception(error)
        rows.add_done_callback(partial(self._take, batch))

    def _take_waiting(self) -> list[_Batch[Any, Any]]:
        batches = [*self._repeated, *self._waiting.values()]
        self._repeated, self._waiting = [], {}
        return batches

    async def _connect(self) -> None:
        try:
            self._connection = await LoopConnection.open(LOOK_UPS)
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            for batch in self._take_waiting():
                batch.fail(error)
        finally:
            self._connecting = None
        self._kick()

    def _take(self, batch: _Batch[Any, Any], rows: asyncio.Future[list[Row]]) -> None:
        self._asked.discard(batch)
        if not self._asked and self._alarm is not None:
            self._alarm.cancel()
        try:
            batch.answer(rows.result())
        except asyncio.CancelledError:
            batch.fail(psycopg.OperationalError("the lane was closed"))
        except Exception as error:  # noqa: BLE001 - the callers are told
            self._after_failure(batch, error)
        self._kick()

    def _after_failure(self, batch: _Batch[Any, Any], error: Exception) -> None:
        """Ask once more on a new connection if this one is of no use; else one by one, so that a
        bad row fails alone.
        """
        if sqlstates.drops_connection(error):
            if self._connection is not None and self._connection.is_open:
                self._connection.close()
            forget_all()
            if batch.is_second:
                batch.fail(error)
            else:
                batch.is_second = True
                self._repeated.append(batch)
        elif len(batch.waiting) > 1:
            self._repeated.extend(batch.parts())
        else:
            batch.fail(error)


_lanes: dict[asyncio.AbstractEventLoop, _Lane] = {}


def _lane() -> _Lane:
    loop = asyncio.get_running_loop()
    lane = _lanes.get(loop)
    if lane is None:
        lane = _lanes[loop] = _Lane()
    return lane


async def ask(question: Question[K, R], key: K) -> R | None:
    """Return the answer to a key; None if it has none.

    Raises ``DatabaseUnavailable`` if too many reads wait, and the driver's errors.
    """
    return await _lane().ask(question, key)


async def ask_all(question: Question[K, R], keys: Collection[K]) -> dict[K, R]:
    """Return the answers to those keys that have one. Raises what ``ask`` does."""
    lane = _lane()

    async def pair(key: K) -> tuple[K, R | None]:
        answer = await lane.ask(question, key)
        return key, answer

    return {key: answer for key, answer in await asyncio.gather(*map(pair, keys)) if answer is not None}


def ask_now(question: Question[K, R], keys: Sequence[K]) -> Mapping[K, R]:
    """Return the answers from synchronous code, by Django's connection. One round trip."""
    with connection.cursor() as cursor:
        cursor.execute(question.statement, question.bind(keys))
        return question.read(cursor.fetchall())


async def close_lane() -> None:
    """Close the running loop's connection. Nobody may be waiting for an answer."""
    lane = _lanes.pop(asyncio.get_running_loop(), None)
    if lane is not None:
        lane.close()


def too_many_reads() -> DatabaseUnavailable:
    """Return the error for a caller beyond the bound."""
    return DatabaseUnavailable("Too many requests wait for the database; try again later.")
