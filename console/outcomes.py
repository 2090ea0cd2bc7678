"""Outcomes of operators' forms: what a form did, said to the operator in words with links."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect

from approvals.domain.operations import Operation
from approvals.models import Approval
from console.log_entries import linked
from console.postings import PostedForm, post_for, wait_for
from transfers.domain.commands import Command
from transfers.domain.outcome import required


@dataclass(frozen=True, slots=True)
class Done:
    """What a confirmed change did, in words.

    - ``is_repeat`` says that the same form was sent before, and that nothing happened now.
    - ``now`` is the state after it. The operator reads it, and the record does not keep it.
    - ``numbers`` says what the change did to balances. The operator reads it.
    - ``page`` is where the operator goes on, if not back.
    - ``waits`` is what waits for a second person, where nothing was done yet.
    - ``is_failure`` says that it came to nothing, for good: the operator reads it as an error.
    """

    what: str
    is_repeat: bool = False
    now: str = ""
    numbers: str = ""
    page: str = ""
    waits: Approval | None = None
    is_failure: bool = False


def posting(
    request: HttpRequest, command: Callable[[dict[str, Any]], Command], told: Callable[[UUID | None, dict[str, Any]], Done]
) -> Callable[[dict[str, Any]], Done]:
    """Return what posts the command of a form's values and says what became of it.

    ``told`` gets the id of the transfer (None for a command that moves no money) and the values of
    the form. It must give the same ``what`` whenever it is called with them: by it a form that is
    sent twice is recorded once.
    """
    return lambda values: outcome_of(post_for(request, command(values), values), lambda made: told(made, values))


def outcome_of(posted: PostedForm, told: Callable[[UUID | None], Done]) -> Done:
    """Return in words what a form did, or that it waits for a second person."""
    if posted.approval_id is not None:
        return waiting(posted.approval_id, is_repeat=posted.is_repeat)
    return replace(told(posted.transfer_id), is_repeat=posted.is_repeat)


def asked_instead(request: HttpRequest, operation: Operation, values: dict[str, Any]) -> Done | None:
    """Have a change wait for a second person; None where no policy covers it."""
    waits = wait_for(request, operation, values)
    return None if waits is None else waiting(required(waits.approval_id), is_repeat=waits.is_repeat)


def waiting(approval_id: UUID, *, is_repeat: bool) -> Done:
    """Return in words that nothing was done yet: it waits for a second person."""
    asked = Approval.objects.get(id=approval_id)
    words = f"Nothing was done yet. It waits until another person approves it, or until {asked.expires_at:%Y-%m-%d %H:%M} UTC"
    return Done(f"Asked for approval {approval_id}: {asked.summary}", is_repeat, numbers=words, waits=asked)


def answer(request: HttpRequest, done: Done, back: str) -> HttpResponseRedirect:
    """Say to the operator what a form did, and how things are now; then lead to a page.

    Each id in the words leads to what it names.
    """
    did = f"{done.what} (this form was sent before: nothing was done now)" if done.is_repeat else done.what
    sentences = [did, *([f"Now: {done.now}"] if done.now else []), *([done.numbers] if done.numbers else [])]
    say = messages.error if done.is_failure else messages.success
    say(request, linked(" ".join(f"{sentence}." for sentence in sentences)))
    return HttpResponseRedirect(done.page or back)
