"""Retries of a posting: after which errors, how often, and which jobs fail in the end.

A batch that fails for a passing reason (deadlock, serialization failure, lost connection) is tried
again with backoff. If it fails for another reason, or too often, its jobs are tried one by one, so
that a bad job fails alone. Without a database all of them fail at once.

A lock that another transaction holds delays only the jobs that need it. The batch waits for it
``LOCK_WAIT_S`` at most, and then posts all jobs that need no waiting. The others come back as
``Deferred``: nothing of them has happened, and they may be tried again. One deadline holds for all
tries.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog
from django.conf import settings

from ledger_project.database import sqlstates
from ledger_project.database.connections import drop_connection
from ledger_project.database.lost_rows import identities_lost
from ledger_project.kernel.errors import AccountBusy, ClocksDiffer, DatabaseUnavailable, IdempotencyInProgress, LedgerError, Unavailable
from ledger_project.observability import metrics
from transfers.domain.commands import AccountKey
from transfers.posting import sql
from transfers.posting.idempotency import Contention
from transfers.posting.jobs import Blocker, Job, Result
from transfers.posting.locks import ONLY_FREE, WAIT, Busy, Locking
from transfers.posting.pipeline import failed_statement
from transfers.posting.transaction import post

log = structlog.get_logger(__name__)

ATTEMPTS = 5
"""The tries of a batch, and then of each of its jobs."""

LOCK_WAIT_S = 0.25
"""The time that a batch waits for a lock. Another posting holds its locks for some milliseconds, a
delayed one for some tens of them."""

FREE_WAIT_S = 0.01
"""The time that a batch which takes only free accounts waits for the locks that cannot be skipped
(keys, names)."""

SLICE_S = 0.1
"""The time that a round of ``patient_round`` waits for one taken lock, in the database's queue for
it."""

_RACED_CONSTRAINT = "account_merchant_currency_kind_unique"
"""The unique constraint whose violation means that another worker opened the same account a moment
earlier."""


@dataclass(frozen=True, slots=True)
class Deferred:
    """A job of which nothing has happened, since another transaction holds a lock that it needs.

    ``blockers`` may be locked; ``error`` is for its caller if it cannot wait any longer.
    """

    blockers: frozenset[Blocker]
    error: Unavailable


Attempt = Result | Exception | Deferred
"""What a try to post a job came to: its result, the error that its caller is told, or that it is
deferred."""


def _always(_job: Job) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class _Batch:
    """The limits of a list of jobs: a deadline (``time.monotonic()``), and whether a job's caller
    still waits for it.
    """

    deadline: float
    is_wanted: Callable[[Job], bool]

    def post(self, jobs: Sequence[Job], *, lock_wait_s: float, locking: Locking = WAIT) -> list[Attempt]:
        """Post jobs in one transaction, which is tried again where its failure may pass; if it
        fails for good, part by part.
        """
        if not jobs:
            return []
        attempt = 0
        while True:
            attempt += 1
            try:
                results = post(jobs, lock_wait_s=lock_wait_s, locking=locking)
                return [_attempt(job, result) for job, result in zip(jobs, results, strict=True)]
            except Busy as busy:
                return self._post_others(jobs, busy)
            except Exception as error:  # noqa: BLE001 - each job gets its own answer; nothing is swallowed
                if sqlstates.drops_connection(error):
                    drop_connection()
                if not is_passing(error) or attempt == ATTEMPTS or time.monotonic() >= self.deadline:
                    return self._after_failure(jobs, error, lock_wait_s=lock_wait_s, locking=locking)
                reason = type(sqlstates.driver_error(error)).__name__
                metrics.RETRIES.labels(reason).inc()
                log.info("posting.retry", attempt=attempt, size=len(jobs), error=reason)
                _pause(attempt)

    def _after_failure(self, jobs: Sequence[Job], error: Exception, *, lock_wait_s: float, locking: Locking) -> list[Attempt]:
        if sqlstates.meaning_of(error) is sqlstates.LOCKED:
            return self._after_lock_timeout(jobs, error, locking=locking)
        strikes_all = sqlstates.strikes_all(error) or isinstance(error, ClocksDiffer)
        if len(jobs) == 1 or strikes_all or time.monotonic() >= self.deadline:
            return [_told(error)] * len(jobs)
        log.warning("posting.batch_split", size=len(jobs), error=type(error).__name__)
        return [outcome for job in jobs for outcome in self._post_one(job, lock_wait_s=lock_wait_s, locking=locking)]

    def _post_one(self, job: Job, *, lock_wait_s: float, locking: Locking) -> list[Attempt]:
        """Post one job of a batch that failed, unless its caller has given up or the time of the
        batch is over.
        """
        if time.monotonic() >= self.deadline or not self.is_wanted(job):
            return [DatabaseUnavailable("The posting takes too long; repeat the request with the same Idempotency-Key.")]
        return self.post([job], lock_wait_s=lock_wait_s, locking=locking)

    def _post_others(self, jobs: Sequence[Job], busy: Busy) -> list[Attempt]:
        """Post the jobs that need none of the busy accounts, and defer the others."""
        blockers = [busy.accounts & job.accounts() for job in jobs]
        free = iter(
            self.post([job for job, found in zip(jobs, blockers, strict=True) if not found], lock_wait_s=FREE_WAIT_S, locking=ONLY_FREE)
        )
        return [Deferred(frozenset(found), AccountBusy()) if found else next(free) for found in blockers]

    def _after_lock_timeout(self, jobs: Sequence[Job], error: Exception, *, locking: Locking) -> list[Attempt]:
        """Find the jobs that a lock holds up: first with free accounts only, then, for locks that
        cannot be skipped, by halves.
        """
        if locking != ONLY_FREE:
            return self.post(jobs, lock_wait_s=FREE_WAIT_S, locking=ONLY_FREE)
        if len(jobs) == 1:
            return [_deferred(jobs[0], error)]
        middle = len(jobs) // 2
        return [
            *self.post(jobs[:middle], lock_wait_s=FREE_WAIT_S, locking=ONLY_FREE),
            *self.post(jobs[middle:], lock_wait_s=FREE_WAIT_S, locking=ONLY_FREE),
        ]


def post_reliably(jobs: Sequence[Job], *, deadline: float, is_wanted: Callable[[Job], bool] = _always) -> list[Attempt]:
    """Post all jobs; return for each its result, its own error, or that it is deferred.

    After ``deadline`` (``time.monotonic()``) there are no more tries. A job that is no longer
    wanted is not tried by itself.
    """
    batch = _Batch(deadline, is_wanted)
    outcomes = batch.post(jobs, lock_wait_s=min(LOCK_WAIT_S, settings.LEDGER_IDEMPOTENCY_WAIT))
    # Some of the locks that were taken belonged to postings that are over by now.
    _try_again(outcomes, jobs, _held_up(outcomes), lambda left: batch.post(left, lock_wait_s=FREE_WAIT_S, locking=ONLY_FREE))
    return outcomes


def _held_up(outcomes: Sequence[Attempt]) -> list[int]:
    """Return which jobs are deferred."""
    return [index for index, outcome in enumerate(outcomes) if isinstance(outcome, Deferred)]


def _try_again(outcomes: list[Attempt], jobs: Sequence[Job], which: Sequence[int], attempt: Callable[[list[Job]], list[Attempt]]) -> None:
    """Try some of the jobs again, and put their new outcomes in the place of the old ones."""
    for index, outcome in zip(which, attempt([jobs[index] for index in which]), strict=True):
        outcomes[index] = outcome


def patient_round(jobs: Sequence[Job], turn: int, *, deadline: float) -> list[Attempt]:
    """Try deferred jobs once more: first all whose locks are free now, then, for ``SLICE_S`` at
    most, those that need one taken lock.

    ``turn`` counts the rounds. Each waits for another of the taken locks, so that every job comes
    to stand in the queue for its lock. No other lock is held meanwhile: one account is waited for,
    and it is locked before all others.
    """
    batch = _Batch(deadline, _always)
    outcomes = batch.post(jobs, lock_wait_s=FREE_WAIT_S, locking=ONLY_FREE)
    waiting = [(index, outcome) for index, outcome in enumerate(outcomes) if isinstance(outcome, Deferred)]
    if waiting:
        first, chosen = waiting[turn % len(waiting)]
        blocker = random.choice(list(chosen.blockers)) if chosen.blockers else None
        group = [index for index, outcome in waiting if index == first or blocker in outcome.blockers]
        locking = Locking(frozenset([blocker] if isinstance(blocker, AccountKey) else []))
        _try_again(outcomes, jobs, group, lambda left: batch.post(left, lock_wait_s=SLICE_S, locking=locking))
    return outcomes


def post_patiently(jobs: Sequence[Job], *, wait_s: float) -> list[Result | Exception]:
    """Post jobs from synchronous code.

    Those whose locks cannot be had within ``wait_s`` seconds get the error of ``Deferred``.
    """
    give_up_at = time.monotonic() + wait_s
    deadline = time.monotonic() + settings.LEDGER_POSTING_TIMEOUT
    outcomes = post_reliably(jobs, deadline=deadline)
    for turn in itertools.count():
        which = _held_up(outcomes)
        if not which or time.monotonic() >= give_up_at:
            break
        _try_again(outcomes, jobs, which, partial(patient_round, turn=turn, deadline=deadline))
    return [outcome.error if isinstance(outcome, Deferred) else outcome for outcome in outcomes]


def is_passing(error: BaseException) -> bool:
    """Whether the same transaction may succeed when it is tried again."""
    return isinstance(error, Contention) or sqlstates.is_passing(error) or sqlstates.violates(error, _RACED_CONSTRAINT)


def _pause(attempt: int) -> None:
    """Sleep 5 ms, doubled at each try, with jitter so that two workers do not meet again."""
    time.sleep(0.005 * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))


def _attempt(job: Job, result: Result) -> Result | Unavailable:
    """Return the result of a job that was posted; for a single command that cannot be decided now,
    the error itself.
    """
    refusal = result.refusal
    return refusal if job.envelope is None and isinstance(refusal, Unavailable) else result


def _told(error: Exception) -> Exception:
    """Return the error for the caller of a job."""
    if isinstance(error, LedgerError):
        return error
    if sqlstates.names_missing_row(error):
        return identities_lost()
    meaning = sqlstates.meaning_of(error) or (sqlstates.CONFLICT if is_passing(error) else None)
    return error if meaning is None else DatabaseUnavailable(f"{meaning.words} Repeat the request with the same Idempotency-Key.")


def _deferred(job: Job, error: Exception) -> Deferred:
    """Return a deferred job.

    Its lock cannot be skipped: that of a key which another transaction has claimed, of a name, or
    of a table.
    """
    keys = job.key_names()
    if failed_statement(error) == sql.CLAIM_KEYS:
        return Deferred(keys, IdempotencyInProgress())
    waited_too_long = DatabaseUnavailable("Something that the posting needs is locked; repeat the request with the same Idempotency-Key.")
    return Deferred(frozenset(job.needs() - keys), waited_too_long)
