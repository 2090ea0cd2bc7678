"""Posting from synchronous code: commands of ``manage.py`` and the admin."""

from __future__ import annotations

from collections.abc import Sequence

from ledger_project.kernel.errors import AccountBusy
from transfers.domain.commands import Command
from transfers.domain.outcome import Outcome, Refused
from transfers.posting import engine
from transfers.posting.jobs import UNREAD, Answer, Envelope, Item, Job, Key, Result


def bare(outcome: Outcome) -> Answer:
    """Write an answer that nobody reads as HTTP: a status that tells refusals apart, and the transfer's id."""
    if outcome.refusal is not None:
        return Answer(409, outcome.refusal.code.encode())
    return Answer(200, str(outcome.transfer.id).encode() if outcome.transfer else b"")


def post_now(commands: Sequence[Command], *, keys: Sequence[Key] | None = None) -> list[Result]:
    """Post commands in order in one transaction, each refused or posted on its own; with keys, each at most once for good."""
    given: Sequence[Key | None] = keys if keys is not None else [None] * len(commands)
    items = [Item(command, bare, key) for command, key in zip(commands, given, strict=True)]
    if len(items) == 1:
        return engine.submit_now(Job(items)).items
    return engine.submit_now(Job(items, UNREAD)).items


def post_each_now(commands: Sequence[Command], *, wait_s: float) -> list[Result]:
    """Post commands that have nothing to do with each other in one transaction; where that fails, each in its own.

    A command whose account somebody else has locked for longer than ``wait_s`` seconds is refused with ``account_busy``. Raises what else
    stands in the way; what was posted by then stays posted.
    """
    results = []
    for outcome in engine.submit_all_now([Job([Item(command, bare)]) for command in commands], wait_s=wait_s):
        if isinstance(outcome, AccountBusy):
            busy = Refused(outcome)
            results.append(Result(bare(busy), busy))
        elif isinstance(outcome, Exception):
            raise outcome
        else:
            results.append(outcome.result)
    return results


def post_or_forget(command: Command, key: Key) -> Result:
    """Post one command, at most once for good under its key; a refusal is not remembered, so the key can be used again.

    For people, who correct what was refused. (A program's retry is to get the same refusal: that is what the API's keys do.)
    """
    envelope = Envelope(UNREAD.render, UNREAD.render_failure, atomic=True)
    (result,) = engine.submit_now(Job([Item(command, bare, key)], envelope)).items
    return result
