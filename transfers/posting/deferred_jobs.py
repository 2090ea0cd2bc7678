"""Jobs that wait for a lock which another transaction holds, apart from the queue, so that no other
job waits behind them.

A thread with a connection of its own tries them again and again, and waits for each of their locks
in turn, until they are posted or their callers have waited ``LEDGER_IDEMPOTENCY_WAIT`` seconds.
Locks that were found taken are remembered: a job that needs one comes here at once, until one such
job was posted. So the queue waits for a lock once, however many callers ask for it.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, Protocol, TypeVar

from django.conf import settings
from django.db import connections

from ledger_project.database.connections import use_own_connection
from ledger_project.kernel.errors import AccountBusy, Unavailable
from ledger_project.observability import metrics
from transfers.posting.jobs import Blocker, Job, Result
from transfers.posting.retries import Attempt, Deferred, patient_round

_REMEMBERED = 10_000
"""The number of taken locks that are remembered; the oldest are forgotten first, and are waited for
once more then."""


class Waiting(Protocol):
    """A job whose caller has waited for it since ``since`` (``time.monotonic()``)."""

    job: Job
    keys: frozenset[tuple[str, str]]
    since: float

    @property
    def is_over(self) -> bool:
        """Whether its caller has given up."""


W = TypeVar("W", bound=Waiting)


class DeferredJobs(Generic[W]):
    """The jobs of one event loop that wait for locks.

    ``finish`` gets a job's result or error and the seconds of its last try.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, finish: Callable[[W, Result | Exception, float], None]) -> None:
        self._loop, self._finish = loop, finish
        self._waiting: deque[tuple[W, Unavailable]] = deque()
        self._trying: Sequence[tuple[W, Unavailable]] = ()
        self._commands = 0
        self._taken: dict[Blocker, None] = {}
        self._wake = asyncio.Event()
        self._draining = False
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="deferred", initializer=use_own_connection)
        self.task = loop.create_task(self._run(), name="deferred-jobs", context=contextvars.Context())

    @property
    def commands(self) -> int:
        """Commands that wait here."""
        return self._commands

    @property
    def waiting(self) -> list[W]:
        """All jobs here, including those that are being tried."""
        return [waiting for waiting, _ in (*self._trying, *self._waiting)]

    def concerns(self, job: Job) -> bool:
        """Whether a job needs a lock that was found taken."""
        return bool(self._taken) and not self._taken.keys().isdisjoint(job.needs())

    def add(self, waiting: W, deferred: Deferred | None = None) -> None:
        """Take in a job that was deferred, or that needs a taken lock."""
        if deferred is not None:
            self._remember(deferred.blockers)
        self._waiting.append((waiting, deferred.error if deferred is not None else AccountBusy()))
        self._commands += len(waiting.job.items)
        metrics.DEFERRED.set(self._commands)
        self._wake.set()

    async def drain(self) -> None:
        """Post or answer all jobs, and stop the thread."""
        self._draining = True
        self._wake.set()
        await asyncio.wait({self.task})
        await self._loop.run_in_executor(self._executor, connections.close_all)
        self._executor.shutdown(wait=False)

    def _remember(self, blockers: Collection[Blocker]) -> None:
        for blocker in blockers:
            self._taken.pop(blocker, None)
            self._taken[blocker] = None
        while len(self._taken) > _REMEMBERED:
            del self._taken[next(iter(self._taken))]

    async def _run(self) -> None:
        turn = 0
        while True:
            self._end_waits()
            if not self._waiting:
                if self._draining:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            self._trying = batch = self._next_batch()
            started = time.monotonic()
            deadline = started + settings.LEDGER_POSTING_TIMEOUT
            jobs = [waiting.job for waiting, _ in batch]
            outcomes = await self._loop.run_in_executor(self._executor, partial(patient_round, jobs, turn, deadline=deadline))
            self._sort(batch, outcomes, time.monotonic() - started)
            self._trying = ()
            turn += 1

    def _end_waits(self) -> None:
        """Answer callers that have waited long enough.

        This is between two rounds, so that nothing of their jobs can happen later.
        """
        started_before = time.monotonic() - settings.LEDGER_IDEMPOTENCY_WAIT
        for _ in range(len(self._waiting)):
            waiting, error = self._waiting.popleft()
            if waiting.is_over or waiting.since <= started_before:
                self._end(waiting, error)
            else:
                self._waiting.append((waiting, error))

    def _next_batch(self) -> list[tuple[W, Unavailable]]:
        """Take jobs from the front: at most ``LEDGER_BATCH_MAX`` commands, and no key twice."""
        batch: list[tuple[W, Unavailable]] = []
        keys: set[tuple[str, str]] = set()
        size = 0
        for _ in range(len(self._waiting)):
            waiting, error = self._waiting.popleft()
            fits = not batch or size + len(waiting.job.items) <= settings.LEDGER_BATCH_MAX
            if fits and keys.isdisjoint(waiting.keys):
                keys |= waiting.keys
                size += len(waiting.job.items)
                batch.append((waiting, error))
            else:
                self._waiting.append((waiting, error))
        return batch

    def _sort(self, batch: Sequence[tuple[W, Unavailable]], outcomes: Sequence[Attempt], duration_s: float) -> None:
        """Answer the callers of jobs that are decided; the others wait on."""
        for (waiting, _), outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Deferred):  # a lock met now may be a posting's: only locks that were waited for in vain are remembered
                self._waiting.append((waiting, outcome.error))
                continue
            if isinstance(outcome, Result):
                for blocker in waiting.job.needs():
                    self._taken.pop(blocker, None)
            self._end(waiting, outcome, duration_s)

    def _end(self, waiting: W, outcome: Result | Exception, duration_s: float = 0.0) -> None:
        self._commands -= len(waiting.job.items)
        metrics.DEFERRED.set(self._commands)
        self._finish(waiting, outcome, duration_s)
