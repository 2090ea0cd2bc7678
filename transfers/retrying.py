"""Posting that does not give up easily: what is worth another try, how often, and who is to be told that it failed.

A batch that fails for a passing reason (deadlock, serialization failure, lost connection, a lock that took too long) is tried again with
backoff. If it fails for another reason, or too often, its jobs are tried one by one, so that a poisonous job fails alone; without a
database all of them fail at once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import psycopg
import structlog
from django.db import OperationalError, connection
from psycopg import errors as pg

from ledger_project import metrics
from ledger_project.connections import driver_error, is_connection_loss
from ledger_project.kernel.errors import DatabaseUnavailable, IdempotencyInProgress, LedgerError
from transfers.store import Contention, JobResults, post

if TYPE_CHECKING:
    from transfers.jobs import Job

log = structlog.get_logger(__name__)

ATTEMPTS = 5
"""How often a batch, and then each of its jobs, is tried."""

_RACED_CONSTRAINTS = frozenset({"account_merchant_currency_kind_unique"})
"""Unique constraints whose violation means that another worker opened the same account a moment earlier."""

_STALE = (pg.FeatureNotSupported, pg.InvalidSqlStatementName)
"""What a prepared statement fails with when a migration has changed the columns that it returns, or when a pooler in between has put
the session on another connection. A new connection prepares anew."""

_PASSING = (pg.SerializationFailure, pg.DeadlockDetected, pg.LockNotAvailable, pg.QueryCanceled)

Outcome = JobResults | LedgerError | Exception


def is_passing(error: BaseException) -> bool:
    """Whether the same transaction may well succeed when it is tried again."""
    cause = driver_error(error)
    if isinstance(cause, pg.UniqueViolation):
        return cause.diag.constraint_name in _RACED_CONSTRAINTS
    return isinstance(error, Contention) or isinstance(cause, _PASSING + _STALE) or is_connection_loss(error)


def _pause(attempt: int) -> None:
    """Back off: 5 ms doubling, with jitter so that two workers do not meet again."""
    time.sleep(0.005 * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, no secret  # nosec B311


def post_reliably(jobs: Sequence[Job]) -> list[Outcome]:
    """Post all jobs; return for each its results, or the error that it alone is to be told."""
    try:
        return list(_attempt(jobs))
    except Exception as error:  # noqa: BLE001 - each job gets its own answer below; nothing is swallowed
        if len(jobs) == 1 or is_connection_loss(error):
            return [_told(error)] * len(jobs)
        log.warning("posting.batch_split", size=len(jobs), error=type(error).__name__)
    outcomes: list[Outcome] = []
    for job in jobs:
        outcomes.extend(post_reliably([job]))
    return outcomes


def _attempt(jobs: Sequence[Job]) -> list[JobResults]:
    for attempt in range(ATTEMPTS):
        try:
            return post(jobs)
        except Exception as error:
            if is_connection_loss(error) or isinstance(driver_error(error), _STALE):
                connection.close()
            if not is_passing(error) or attempt == ATTEMPTS - 1 or _waited_too_long(error):
                raise
            reason = type(driver_error(error)).__name__
            metrics.RETRIES.labels(reason).inc()
            log.info("posting.retry", attempt=attempt + 1, size=len(jobs), error=reason)
            _pause(attempt)
    raise AssertionError("unreachable")  # pragma: no cover - the loop returns or raises


def _waited_too_long(error: BaseException) -> bool:
    """A lock that could not be had in time is not asked for again at once: the callers behind are waiting too."""
    return isinstance(driver_error(error), pg.LockNotAvailable)


def _told(error: Exception) -> Exception:
    """Return what the caller of a single job is told."""
    if isinstance(error, LedgerError):
        return error
    cause = driver_error(error)
    if isinstance(cause, pg.LockNotAvailable):
        return IdempotencyInProgress() if _waiting_for_key(cause) else DatabaseUnavailable("An account is busy; try again.")
    if is_connection_loss(error):
        return DatabaseUnavailable("The database does not answer; repeat the request with the same Idempotency-Key.")
    if is_passing(error) or isinstance(error, OperationalError):
        return DatabaseUnavailable("The posting met too many others; repeat the request with the same Idempotency-Key.")
    return error


def _waiting_for_key(error: psycopg.Error) -> bool:
    """Whether the lock that took too long was a key that another transaction had claimed."""
    context = error.diag.context or ""
    return "transfers_idempotencyrecord" in context or "transfers_idempotencyrecord" in str(error)
