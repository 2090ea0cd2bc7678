"""The door for synchronous code: commands of ``manage.py``, the admin, demo data, and changes that
move no money.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings

from ledger_project.kernel.errors import AccountBusy
from transfers.domain.commands import Command
from transfers.domain.outcome import Outcome, Refused
from transfers.posting.backdating import NotAfterHistory, end_of_history
from transfers.posting.idempotency import answer_once
from transfers.posting.jobs import UNREAD, Alongside, Answer, Envelope, Item, Job, Key, Result
from transfers.posting.retries import post_patiently

__all__ = [
    "NotAfterHistory",
    "answer_once",
    "bare",
    "end_of_history",
    "post_each_now",
    "post_now",
    "post_or_forget",
    "post_then",
    "submit_all_now",
    "submit_now",
]


def submit_now(job: Job) -> Result:
    """Post a job in a transaction of its own, on this thread's connection.

    Raises what ``Engine.submit`` does, but for the queue.
    """
    (outcome,) = post_patiently([job], wait_s=settings.LEDGER_IDEMPOTENCY_WAIT)
    if isinstance(outcome, Result):
        return outcome
    raise outcome


def submit_all_now(jobs: Sequence[Job], *, wait_s: float) -> list[Result | Exception]:
    """Post jobs in one transaction; if that fails, each in its own, so that each has its result or
    its error.

    Jobs whose locks others hold are waited for ``wait_s`` seconds, all together, and then get
    ``AccountBusy``.
    """
    return post_patiently(jobs, wait_s=wait_s)


def bare(outcome: Outcome) -> Answer:
    """Write an answer that nobody reads as HTTP: a status that tells refusals apart, and the
    transfer's id.
    """
    if outcome.refusal is not None:
        return Answer(409, outcome.refusal.code.encode())
    return Answer(200, str(outcome.transfer.id).encode() if outcome.transfer else b"")


def post_now(commands: Sequence[Command], *, keys: Sequence[Key] | None = None) -> Sequence[Result]:
    """Post commands in order in one transaction, each refused or posted on its own; with keys, each
    at most once for good.
    """
    given: Sequence[Key | None] = keys if keys is not None else [None] * len(commands)
    items = [Item(command, bare, key) for command, key in zip(commands, given, strict=True)]
    return submit_now(Job(items, None if len(items) == 1 else UNREAD)).each


def post_then(commands: Sequence[tuple[Command, datetime]]) -> Sequence[Result]:
    """Post commands that happened at these moments, in one transaction, each refused or posted on
    its own. For demo data only.

    Raises ``NotAfterHistory``, and posts nothing, unless all moments are later than everything in
    the journal, in order, and past (backdating.py says why).
    """
    items = [Item(command, bare) for command, _ in commands]
    return submit_now(Job(items, UNREAD, moments=[moment for _, moment in commands])).each


def post_each_now(commands: Sequence[Command], *, wait_s: float) -> list[Result]:
    """Post commands that have nothing to do with each other in one transaction; where that fails,
    each in its own.

    A command whose account another transaction has locked for longer than ``wait_s`` seconds is
    refused with ``account_busy``. Raises all other errors; what was posted before stays posted.
    """
    results = []
    for outcome in submit_all_now([Job([Item(command, bare)]) for command in commands], wait_s=wait_s):
        if isinstance(outcome, AccountBusy):
            busy = Refused(outcome)
            results.append(Result(bare(busy), busy))
        elif isinstance(outcome, Exception):
            raise outcome
        else:
            results.append(outcome)
    return results


def post_or_forget(command: Command, key: Key, *, alongside: Alongside | None = None) -> Result:
    """Post one command, at most once for good under its key.

    A refusal is not stored, so the key can be used again. ``alongside`` writes in the transaction
    of the posting what belongs to it.

    For people, who correct what was refused. (A program that repeats a request wants the same
    refusal: the API's keys give it.)
    """
    envelope = Envelope(UNREAD.render, UNREAD.render_failure, atomic=True)
    (result,) = submit_now(Job([Item(command, bare, key)], envelope, alongside=alongside)).each
    return result
