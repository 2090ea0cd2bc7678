"""One transaction for a list of jobs: claim, lock, read, plan, write, commit.

Four round trips for a batch of any size: BEGIN with the claims and fee schedules, the locks with
the facts, the writes, COMMIT; one more where merchants are registered, one more where stored
answers are replayed. All transactions wait in the same order: for keys in the order of their ids,
new merchants' names in sorted order, accounts in id order, new accounts in sorted order. So two
batches may wait for each other in a line, never in a circle.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

from django.conf import settings
from django.db import transaction

from ledger_project.observability import metrics
from transfers.domain.commands import Command
from transfers.domain.facts import Book
from transfers.domain.plan import plan
from transfers.posting import sql
from transfers.posting.account_ids import remember_accounts
from transfers.posting.backdating import check_moments
from transfers.posting.idempotency import Claims
from transfers.posting.jobs import Job, Result
from transfers.posting.locks import WAIT, Locking
from transfers.posting.pipeline import Session
from transfers.posting.reads import find_schedules, read_book, read_schedules
from transfers.posting.refusals import decided_refusals, insert_refusals
from transfers.posting.results import JobDecisions
from transfers.posting.writes import register_merchants, write_plan


def post(jobs: Sequence[Job], *, lock_wait_s: float, locking: Locking = WAIT) -> list[Result]:
    """Post all jobs in one transaction and return their results in order, once it is committed.

    A statement waits ``lock_wait_s`` at most for a lock that another transaction holds; ``locking``
    says which accounts are waited for. Raises ``Busy`` with those that are taken, and database
    errors as they come: then nothing of any job has happened.

    The same key must not be in two of the jobs (the engine sees to that); within one batch it may.
    """
    commands = [item.command for job in jobs for item in job.items]
    with transaction.atomic():
        session = Session()
        claims = Claims(session)
        book = _claim_and_read(session, claims, jobs, commands, lock_wait_s=lock_wait_s, locking=locking)
        decisions = [JobDecisions(job, claims) for job in jobs]
        planned = plan([decision.group() for decision in decisions], book)
        with session.round_trip():
            write_plan(session, planned, now=book.now, known_holds=book.holds)
            results = [decision.result(outcomes) for decision, outcomes in zip(decisions, planned.outcomes, strict=True)]
            claims.write()
            insert_refusals(session, decided_refusals(decisions, planned.outcomes))
        _write_alongside(jobs, results)
    remember_accounts(book.accounts.values())
    return results


def _write_alongside(jobs: Sequence[Job], results: Sequence[Result]) -> None:
    for job, result in zip(jobs, results, strict=True):
        if job.alongside is not None and result.refusal is None and not any(one.replayed for one in result.each):
            job.alongside(result.each)


def _claim_and_read(
    session: Session, claims: Claims, jobs: Sequence[Job], commands: Sequence[Command], *, lock_wait_s: float, locking: Locking
) -> Book:
    """Begin, claim the keys, take the names of new merchants; then lock and read what the commands
    are decided on.

    A command whose key was answered before needs no lock: its replay waits for nobody's account.
    """
    with metrics.KEYS_WAIT.time():
        with session.round_trip():
            session.send(sql.BEGIN_POSTING, [f"{max(1, round(lock_wait_s * 1000))}ms", *_limits()])
            claims.claim(key for job in jobs for key in job.all_keys())
            found = find_schedules(session, commands)
        claims.read_claims()
        names = register_merchants(session, jobs, claims)
    schedules = read_schedules(found)
    registered = dict(cast("list[tuple[UUID, datetime | None]]", names.fetchall())) if names else {}
    decided = [item.command for job in jobs for item in job.items if claims.ours(item.key)]
    book = read_book(session, decided, schedules=schedules, registered=registered, claims=claims, locking=locking)
    claims.read_stored()
    moments = [moment for job in jobs for moment in job.moments]
    if moments:
        check_moments(session, moments, now=book.now)
    return book


def _limits() -> tuple[str, str, str]:
    """Return how long the database waits for this process inside a posting, and how long a
    statement and the whole may take.
    """
    whole = f"{settings.LEDGER_POSTING_TIMEOUT * 1000:.0f}ms"
    return f"{settings.LEDGER_IDLE_TRANSACTION_TIMEOUT * 1000:.0f}ms", whole, whole
