"""To ask a second person: a command that a policy covers becomes a row that waits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db.models.functions import Now

from approvals.domain.operations import Operation, encode, fingerprint_of, reason_of
from approvals.domain.reaches import reach_of, summary_of
from approvals.domain.states import ApprovalStatus
from approvals.models import Approval
from approvals.selectors.approvals import ApprovalFacts, get_approval
from approvals.selectors.policies import needs_second_person, needs_second_person_now
from approvals.services.events import tell_of
from approvals.services.expiry import expire
from ledger_project.database.fields import new_id
from ledger_project.database.readers import in_reader
from ledger_project.kernel.actors import Actor
from merchants.services import state_change
from transfers.domain.commands import Command
from transfers.domain.outcome import required
from transfers.posting.engine import submit_one
from transfers.posting.jobs import Answer, Key, Render, Result, Submit
from transfers.posting.synchronous import answer_once

WAITING = 202
"""The status of an answer that says that nothing was done: it waits."""

Show = Callable[[ApprovalFacts], bytes]


def submitter(actor: Actor, *, request_id: str, show: Show) -> Submit:
    """Return what posts a caller's commands. A command that a policy covers is not posted: it waits
    for a second person, and its key keeps the answer 202 with what ``show`` writes.

    A key that was answered before gives that answer again, whatever the policies are now.
    """

    async def submit(command: Command, key: Key | None, render: Render) -> Result:
        if actor.merchant_id is not None or not await needs_second_person(command, actor):
            return await submit_one(command, key, render)
        asked = partial(ask, command, principal=actor.principal, request_id=request_id)  # type: ignore[arg-type]  # a covered one is an Operation
        return await in_reader(ask_once, asked, key, show)

    return submit


def ask_once(asked: Callable[[], Approval], key: Key | None, show: Show) -> Result:
    """Ask a second person, under a key at most once. Synchronous.

    Raises ``IdempotencyKeyReused``, ``IdempotencyInProgress`` and ``AccountBusy``.
    """
    with state_change():
        return answer_once(key, lambda: Answer(WAITING, show(required(get_approval(asked().id)))))


def ask_where_needed(
    operation: Callable[[], Operation | None], *, actor: Actor, key: Key | None, request_id: str, show: Show
) -> Result | None:
    """Ask a second person for a change that moves no money; None where no policy covers it.

    Synchronous. Raises what ``ask_once`` does.
    """
    wanted = operation() if actor.merchant_id is None else None
    if wanted is None or not needs_second_person_now(wanted):
        return None
    return ask_once(partial(ask, wanted, principal=actor.principal, request_id=request_id), key, show)


def ask(operation: Operation, *, principal: str, request_id: str, reason: str | None = None) -> Approval:
    """Have an operation wait for a second person, in the open transaction.

    If the same waits already, whoever asked for it, that one is returned: one of them waits at a
    time.
    """
    reach, fingerprint = required(reach_of(operation)), fingerprint_of(operation)
    same = Approval.objects.filter(fingerprint=fingerprint, status=ApprovalStatus.PENDING.value)
    expire(same.filter(expires_at__lte=Now()))
    made = Approval(
        id=new_id(),
        action=reach.action.value,
        currency=reach.currency or "",
        amount_minor=reach.amount_minor,
        merchant_id=reach.merchant_id,
        operation=encode(operation),
        fingerprint=fingerprint,
        summary=summary_of(operation),
        reason=reason_of(operation) if reason is None else reason,
        requested_by=principal,
        request_id=request_id,
        expires_at=Now() + timedelta(seconds=settings.LEDGER_APPROVAL_LIFETIME),
        status=ApprovalStatus.PENDING.value,
    )
    waiting = None
    while waiting is None:
        # Of two that ask at once, the second waits here for the first, and then finds its row,
        # unless it has been decided meanwhile.
        Approval.objects.bulk_create([made], ignore_conflicts=True)
        waiting = same.first()
    if waiting.id == made.id:
        tell_of(waiting)
    return waiting
