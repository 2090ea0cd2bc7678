"""What is handed to the engine: commands with their keys and the way their answers are written.

The answer's bytes are made while the transaction is still open, since they are stored with the money they speak of. How they look is
the caller's business (HTTP, a command, the admin): a job brings its ``render`` along, so the engine knows no transport.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct

from ledger_project.kernel.errors import LedgerError
from merchants.domain import fold
from transfers.domain.commands import AccountKey, Command, RegisterMerchant, TransferFunds
from transfers.domain.outcome import Outcome


class Key(NamedTuple):
    """An idempotency key: unique per owner (``Actor.owner``); the fingerprint (32 bytes) tells whether a request is the same one."""

    owner: str
    key: str
    fingerprint: bytes


class Answer(Struct, frozen=True):
    """What the caller gets, and gets again under the same key: a status and the exact bytes."""

    status_code: int
    body: bytes


class Result(Struct, frozen=True):
    """The answer to one command. ``outcome`` is None for a replay, whose story is in its body."""

    answer: Answer
    outcome: Outcome | None = None
    replayed: bool = False

    @property
    def decided(self) -> Outcome:
        """The outcome of a command that cannot be a replay. Raises ``LookupError`` where it is one."""
        if self.outcome is None:
            raise LookupError("a replay has no outcome")
        return self.outcome

    @property
    def refusal(self) -> LedgerError | None:
        """Why the command was refused now. None for a replay: its body is the whole answer."""
        return self.outcome.refusal if self.outcome else None

    @property
    def transfer_id(self) -> UUID | None:
        """The transfer that was posted, if this is not a replay."""
        return self.outcome.transfer.id if self.outcome and self.outcome.transfer else None


Blocker = AccountKey | tuple[str, str]
"""What somebody else may have locked: an account, an idempotency key with its namespace, or a new merchant's name with none."""

Render = Callable[[Outcome], Answer]
RenderAll = Callable[[Sequence[Result]], Answer]
RenderFailure = Callable[[int, Result], Answer]


class Item(Struct, frozen=True):
    """One command, its key (None: not remembered) and how its answer is written."""

    command: Command
    render: Render
    key: Key | None = None


class Envelope(Struct, frozen=True):
    """What a batch has beside its items: a key of its own, whether it is all or nothing, and how its answers are written.

    ``render_failure`` writes the answer of an atomic batch that failed at an index.
    """

    render: RenderAll
    render_failure: RenderFailure
    key: Key | None = None
    atomic: bool = False


_NOBODYS = Answer(200, b"")
UNREAD = Envelope(render=lambda _results: _NOBODYS, render_failure=lambda _index, _result: _NOBODYS)
"""Of several commands whose answer as a whole nobody reads: a file's lines, an operator's clicks, a history."""


class Job(Struct, frozen=True):
    """One request: a single command, or a batch of them in an envelope.

    ``moments`` is for a history that is told afterwards (``services/backdating.py``): when each item happened. Such items have no keys.
    """

    items: Sequence[Item]
    envelope: Envelope | None = None
    moments: Sequence[datetime] = ()

    def timed_items(self) -> Iterator[tuple[Item, datetime | None]]:
        """Each item with the moment at which it happened; None: now."""
        return itertools.zip_longest(self.items, self.moments)

    def accounts(self) -> set[AccountKey]:
        """Every account that its commands may need, whatever fee schedule applies."""
        commands = [item.command for item in self.items]
        accounts = {account for command in commands for account in command.accounts()}
        return accounts | {command.receiver_fees() for command in commands if isinstance(command, TransferFunds)}

    def needs(self) -> set[Blocker]:
        """Everything that somebody else may have locked: accounts, keys, and the names of merchants that are registered."""
        names = {("", fold(item.command.merchant.name)) for item in self.items if isinstance(item.command, RegisterMerchant)}
        return self.accounts() | self.key_names() | names

    def key_names(self) -> frozenset[tuple[str, str]]:
        """What its keys are called: each with the namespace that it is in."""
        return frozenset((key.owner, key.key) for key in self.all_keys())

    def all_keys(self) -> list[Key]:
        """All keys, the envelope's first."""
        keys = [item.key for item in self.items if item.key is not None]
        if self.envelope is not None and self.envelope.key is not None:
            keys.insert(0, self.envelope.key)
        return keys
