"""Reconciliations from the page: asked for, taken by one process, kept, ended. Synchronous.

A process *takes* the open one by a lease and renews it with its progress. If the process dies, the
lease runs out and another process takes it from the beginning. Whoever has lost the lease changes
nothing any more: every statement names the holder of the lease. The verdict is stored in one
transaction with the end of the request, so there is one verdict, whoever was how far.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from ledger_project.database.clock import database_now
from ledger_project.database.sqlstates import violates
from ledger_project.kernel.errors import LedgerError
from people.models import User
from transfers.models import ReconciliationRun, RequestedReconciliation, WorkerSign
from transfers.models.requested_reconciliations import ONE_OPEN, OPEN, RequestStatus

LEASE_S = 20.0
"""Seconds after which another process takes over from one that does not renew its lease."""

MOST_ATTEMPTS = 3
"""Processes that take one request at most: what kills every process must not kill them for ever."""

ABSENT_AFTER_S = 30.0
"""Seconds without a sign after which the worker counts as absent."""

_LEASE_END = Now() + timedelta(seconds=LEASE_S)
_FREE = Q(status=RequestStatus.WAITING.value) | Q(status=RequestStatus.RUNNING.value, leased_until__lt=Now())
_NO_LEASE: dict[str, Any] = {"leased_by": None, "leased_until": None}
_NOT_BEGUN: dict[str, Any] = {"stage": "", "parts": 0, "parts_done": 0, "entries_checked": 0}

Kind = ReconciliationRun.Kind


class ReconciliationRefused(LedgerError):
    """A reconciliation cannot be started or cancelled: another one is open, or it has ended."""

    code = "reconciliation_refused"
    title = "Not possible"


class LeaseLost(Exception):
    """Another process has the request, or it was cancelled: this process stores nothing."""


@dataclass(frozen=True, slots=True)
class ToProve:
    """What is asked for: all, what is new since the last clean verdict, or a narrow scope."""

    kind: ReconciliationRun.Kind
    since: datetime | None = None
    account_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """A request and the lease by which a process has it."""

    id: UUID
    worker: UUID
    wanted: ToProve
    entries: int


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a proof is: what it proves now, and how many of its parts are proved."""

    stage: str
    parts_done: int
    parts: int
    entries_checked: int


# --- asked for ------------------------------------------------------------------------------------


def request_reconciliation(request_id: UUID, wanted: ToProve, *, by: User) -> bool:
    """Ask for a reconciliation. Returns whether it is new: the id is that of a form.

    Raises ``ReconciliationRefused`` while another one is open.
    """
    if RequestedReconciliation.objects.filter(id=request_id).exists():
        return False
    try:
        with transaction.atomic():
            RequestedReconciliation.objects.create(
                id=request_id,
                kind=wanted.kind,
                since=wanted.since,
                account_id=wanted.account_id,
                requested_by=by,
                entries=estimated_entries(),
            )
    except IntegrityError as error:
        if not violates(error, ONE_OPEN):
            raise
        raise ReconciliationRefused("Another reconciliation waits or runs. One is done at a time.") from None
    return True


def cancel_reconciliation(request_id: UUID) -> None:
    """Cancel a reconciliation that waits or runs. Its process notices that within seconds.

    Raises ``ReconciliationRefused`` if it has ended.
    """
    is_open = RequestedReconciliation.objects.filter(id=request_id, status__in=OPEN)
    if not is_open.update(status=RequestStatus.CANCELLED.value, finished_at=Now(), **_NO_LEASE):
        raise ReconciliationRefused("It has ended already.")


def open_request() -> RequestedReconciliation | None:
    """Return the request that waits or runs; None if there is none."""
    return RequestedReconciliation.objects.filter(status__in=OPEN).select_related("requested_by").first()


def estimated_entries() -> int:
    """Return about how many entries there are: what the last ANALYZE or VACUUM counted."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'transfers_ledgerentry'::regclass")
        return int(cursor.fetchone()[0])


# --- the sign of a worker -------------------------------------------------------------------------


def give_sign() -> None:
    """Say that a worker is there."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO transfers_workersign (id, seen_at) VALUES (1, clock_timestamp()) "
            "ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at"
        )


def absence_of_worker() -> str:
    """Return in words since when no worker was seen; empty if one is there."""
    sign = WorkerSign.objects.first()
    if sign is None:
        return "No worker was ever seen."
    if (database_now() - sign.seen_at).total_seconds() < ABSENT_AFTER_S:
        return ""
    return f"No worker was seen since {sign.seen_at:%Y-%m-%d %H:%M:%S} UTC."


# --- taken by a process ---------------------------------------------------------------------------


def waits_for_process() -> bool:
    """Whether a request waits, or was left by a process that died."""
    return RequestedReconciliation.objects.filter(_FREE).exists()


def take(worker: UUID) -> Taken | None:
    """Take the request that waits, or that a dead process left; None if there is none.

    One that ``MOST_ATTEMPTS`` processes have left is given up.
    """
    with transaction.atomic():
        row = RequestedReconciliation.objects.filter(_FREE).select_for_update(skip_locked=True).first()
        if row is None:
            return None
        mine = RequestedReconciliation.objects.filter(id=row.id)
        if row.attempt >= MOST_ATTEMPTS:
            words = f"{MOST_ATTEMPTS} processes that proved it ended without a verdict."
            mine.update(status=RequestStatus.FAILED.value, failure=words, finished_at=Now(), **_NO_LEASE)
            return None
        mine.update(
            status=RequestStatus.RUNNING.value,
            attempt=row.attempt + 1,
            leased_by=worker,
            leased_until=_LEASE_END,
            started_at=Now(),
            **_NOT_BEGUN,
        )
    return Taken(row.id, worker, ToProve(Kind(row.kind), row.since, row.account_id), row.entries)


def keep(taken: Taken, reached: Reached) -> bool:
    """Renew the lease and say how far the proof is. Returns whether the lease is still held."""
    progress = {"stage": reached.stage[:200], "parts": reached.parts, "parts_done": reached.parts_done}
    changed = _held(taken).update(**progress, entries_checked=reached.entries_checked, leased_until=_LEASE_END)
    return changed == 1


def finish(taken: Taken, run: ReconciliationRun) -> None:
    """End a request with its verdict, in the transaction that stores the verdict.

    Raises ``LeaseLost``: then the verdict is not stored.
    """
    done = {"status": RequestStatus.DONE.value, "run": run, "entries_checked": run.entries_checked}
    if not _held(taken).update(**done, finished_at=Now(), **_NO_LEASE):
        raise LeaseLost


def give_back(taken: Taken) -> None:
    """Let another process take a request at once: this one is to end."""
    _held(taken).update(status=RequestStatus.WAITING.value, attempt=0, started_at=None, **_NOT_BEGUN, **_NO_LEASE)


def fail(taken: Taken, words: str) -> None:
    """End a request without a verdict, and say why."""
    _held(taken).update(status=RequestStatus.FAILED.value, failure=words, finished_at=Now(), **_NO_LEASE)


def _held(taken: Taken) -> QuerySet[RequestedReconciliation]:
    return RequestedReconciliation.objects.filter(id=taken.id, leased_by=taken.worker, status=RequestStatus.RUNNING.value)
