"""Group commit: jobs that arrive while a transaction is under way wait together, and the next
transaction posts them.

There is one engine for each process. The event loop keeps the queue; one worker thread with its own
database connection posts a batch at a time. There is no timer: an idle engine posts a job at once,
and the batches of a busy engine grow by themselves. The queue is bounded: when it is full, or the
engine is draining, callers get 503. A caller gets its answer only after the commit of its transfer
has returned. Jobs that need a lock which another transaction holds wait apart (deferred_jobs.py).
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from django.conf import settings
from django.db import connections

from ledger_project.database.connections import use_own_connection
from ledger_project.kernel.errors import DatabaseUnavailable, IdempotencyInProgress
from ledger_project.process.lifecycle import must_live
from ledger_project.process.wakeups import POSTED
from transfers.domain.commands import Command
from transfers.posting.deferred_jobs import DeferredJobs
from transfers.posting.jobs import Item, Job, Key, Render, Result
from transfers.posting.reports import report_batch
from transfers.posting.retries import Attempt, Deferred, post_reliably


@dataclass(slots=True, eq=False)
class _Waiting:
    """A job in the queue and the caller who waits for it."""

    job: Job
    future: asyncio.Future[Result]
    keys: frozenset[tuple[str, str]]
    since: float = field(default_factory=time.monotonic)
    gave_up: bool = False

    @property
    def is_over(self) -> bool:
        """Whether the caller has given up."""
        return self.future.done()

    def give_up(self) -> None:
        """End the caller's wait."""
        self.gave_up = self.future.cancel()


TURNS, QUIET = 16, 2
"""The turns of the event loop before a batch is cut: at most ``TURNS``, and ``QUIET`` in a row that
bring no job are enough. A request needs two turns from its socket to the queue."""


class Engine:
    """The queue of one event loop and the worker thread that empties it."""

    def __init__(self) -> None:
        self._queue: deque[_Waiting] = deque()
        self._posting: Sequence[_Waiting] = ()
        self._commands = 0
        self._in_flight: dict[tuple[str, str], int] = {}
        self._wake = asyncio.Event()
        self._draining = False
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="posting", initializer=use_own_connection)
        # In a context of its own, or every batch's log line would show the id of the first request.
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run(), name="posting-engine", context=contextvars.Context())
        self._deferred = DeferredJobs(self._loop, self._finish)
        for task in (self._task, self._deferred.task):
            must_live(task)
            task.add_done_callback(self._fail_all)

    @property
    def depth(self) -> int:
        """Commands that wait now."""
        return self._commands + self._deferred.commands

    async def submit(self, job: Job) -> Result:
        """Queue a job and return its result when it is committed.

        Raises ``DatabaseUnavailable`` when the queue is full, the service is stopping, or the
        database is gone; ``IdempotencyInProgress`` when the first request with this key is still
        running after ``LEDGER_IDEMPOTENCY_WAIT`` seconds, and ``AccountBusy`` when another
        transaction holds the lock of an account as long.
        """
        if self._draining:
            raise DatabaseUnavailable("The service is stopping; repeat the request with the same Idempotency-Key.")
        if self.depth + len(job.items) > settings.LEDGER_QUEUE_MAX and self.depth:
            raise DatabaseUnavailable("The posting queue is full; repeat the request with the same Idempotency-Key.")
        keys = job.key_names()
        duplicate = any(key in self._in_flight for key in keys)
        waiting = _Waiting(job, self._loop.create_future(), keys)
        self._enqueue(waiting)
        timeout_s = settings.LEDGER_IDEMPOTENCY_WAIT if duplicate else settings.LEDGER_POSTING_TIMEOUT
        # A timer that cancels the future: asyncio.wait would make a set, a callback and a second
        # future for every request (8 µs more).
        timer = self._loop.call_later(timeout_s, waiting.give_up)
        try:
            return await waiting.future
        except asyncio.CancelledError:
            if not waiting.gave_up:
                raise
        finally:
            timer.cancel()
        if duplicate:
            raise IdempotencyInProgress
        raise DatabaseUnavailable("The posting takes too long; repeat the request with the same Idempotency-Key.")

    async def drain(self) -> None:
        """Take no more jobs, post those that wait, and stop the worker thread."""
        self._draining = True
        self._wake.set()
        await asyncio.wait({self._task})
        await self._deferred.drain()
        await self._loop.run_in_executor(self._executor, connections.close_all)
        self._executor.shutdown(wait=False)

    def _enqueue(self, waiting: _Waiting) -> None:
        self._queue.append(waiting)
        self._commands += len(waiting.job.items)
        for key in waiting.keys:
            self._in_flight[key] = self._in_flight.get(key, 0) + 1
        self._wake.set()

    def _forget(self, waiting: _Waiting) -> None:
        for key in waiting.keys:
            count = self._in_flight[key] - 1
            if count:
                self._in_flight[key] = count
            else:
                del self._in_flight[key]

    async def _run(self) -> None:
        while True:
            if not self._queue:
                if self._draining:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            await self._gather()
            batch = self._next_batch()
            if batch:
                started = time.monotonic()
                self._posting = batch
                deadline = started + settings.LEDGER_POSTING_TIMEOUT
                jobs = [waiting.job for waiting in batch]
                work = partial(post_reliably, jobs, deadline=deadline, is_wanted=_wanted(batch))
                self._deliver(batch, await self._loop.run_in_executor(self._executor, work), started)
                self._posting = ()

    async def _gather(self) -> None:
        """Let the loop read its sockets until a turn brings no more jobs, so that all that have
        arrived are in the next batch.

        This does not wait: there is no timer, and a loop without work is done at once. Without it a
        batch would be cut before the callers of the one before have their answers, and two postings
        would do the work of one (docs/speed.md has the figures).
        """
        waiting, quiet = 0, 0
        for _ in range(TURNS):
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._queue) == waiting else 0
            if quiet == QUIET:
                return
            waiting = len(self._queue)

    def _next_batch(self) -> list[_Waiting]:
        """Take jobs from the front: at most ``LEDGER_BATCH_MAX`` commands, and no key twice.

        A job whose key is in the batch already stays for the next one, where it finds the first
        one's answer. Jobs whose callers gave up are left out: they were never begun. Jobs that need
        a lock which was found taken wait apart.
        """
        batch: list[_Waiting] = []
        later: list[_Waiting] = []
        keys: set[tuple[str, str]] = set()
        size, limit = 0, settings.LEDGER_BATCH_MAX
        while self._queue:
            waiting = self._queue[0]
            if waiting.future.cancelled():
                self._leave_queue(self._queue.popleft())
                self._forget(waiting)
                continue
            if batch and size + len(waiting.job.items) > limit:
                break
            self._queue.popleft()
            if self._deferred.concerns(waiting.job):
                self._leave_queue(waiting)
                self._deferred.add(waiting)
            elif keys.isdisjoint(waiting.keys):
                keys |= waiting.keys
                size += len(waiting.job.items)
                self._leave_queue(waiting)
                batch.append(waiting)
            else:
                later.append(waiting)
        self._queue.extendleft(reversed(later))
        return batch

    def _leave_queue(self, waiting: _Waiting) -> None:
        self._commands -= len(waiting.job.items)

    def _deliver(self, batch: Sequence[_Waiting], outcomes: Sequence[Attempt], started: float) -> None:
        decided: list[Result | Exception] = []
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Deferred):
                self._deferred.add(waiting, outcome)
            else:
                self._answer(waiting, outcome)
                decided.append(outcome)
        report_batch(
            decided,
            duration_s=time.monotonic() - started,
            waited_s=started - min(waiting.since for waiting in batch),
            still_waiting=self.depth,
        )
        POSTED.happen()

    def _finish(self, waiting: _Waiting, outcome: Result | Exception, duration_s: float) -> None:
        """Answer a job that was deferred."""
        self._answer(waiting, outcome)
        POSTED.happen()
        report_batch([outcome], duration_s=duration_s, waited_s=time.monotonic() - waiting.since - duration_s, still_waiting=self.depth)

    def _answer(self, waiting: _Waiting, outcome: Result | Exception) -> None:
        self._forget(waiting)
        if waiting.future.done():
            return
        if isinstance(outcome, Exception):
            waiting.future.set_exception(outcome)
        else:
            waiting.future.set_result(outcome)

    def _fail_all(self, task: asyncio.Task[None]) -> None:
        """Answer all callers when a task has failed (``must_live`` ends the process)."""
        if task.cancelled() or task.exception() is None:
            return
        self._draining = True
        error = DatabaseUnavailable("The service is stopping; repeat the request with the same Idempotency-Key.")
        for waiting in [*self._posting, *self._queue, *self._deferred.waiting]:
            if not waiting.future.done():
                waiting.future.set_exception(error)
        self._queue.clear()
        self._wake.set()


def _wanted(batch: Sequence[_Waiting]) -> Callable[[Job], bool]:
    """Return a function that says whether a job's caller still waits for it."""
    waiting = {id(entry.job): entry for entry in batch}
    return lambda job: not waiting[id(job)].is_over


_engines: dict[asyncio.AbstractEventLoop, Engine] = {}


def current_engine() -> Engine:
    """Return the engine of the running event loop, started on first use."""
    loop = asyncio.get_running_loop()
    engine = _engines.get(loop)
    if engine is None:
        engine = _engines[loop] = Engine()
    return engine


async def drain_engine() -> None:
    """Drain and forget the running loop's engine, if it has one."""
    engine = _engines.pop(asyncio.get_running_loop(), None)
    if engine is not None:
        await engine.drain()


async def submit(job: Job) -> Result:
    """Post a job from the event loop, in one transaction with the others that wait.

    Raises what ``Engine.submit`` does.
    """
    return await current_engine().submit(job)


async def submit_one(command: Command, key: Key | None, render: Render) -> Result:
    """Post one command from the event loop. Raises what ``Engine.submit`` does."""
    return await current_engine().submit(Job([Item(command, render, key)]))
