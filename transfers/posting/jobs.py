"""What the engine takes in and gives back: a ``Job`` of commands with their keys, and its
``Result``.

The bytes of an answer are made while the transaction is open, since they are stored with the money
that they are about. A job brings the function that writes them (``render``), so the engine knows no
transport.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct

from ledger_project.kernel.errors import LedgerError
from merchants.domain import fold
from transfers.domain.commands import AccountKey, Command, RegisterMerchant, TransferFunds
from transfers.domain.outcome import Outcome


class Key(NamedTuple):
    """An idempotency key, unique per owner (``Actor.owner``).

    Two requests with one fingerprint (32 bytes) are the same request.
    """

    owner: str
    key: str
    fingerprint: bytes


class Answer(Struct, frozen=True):
    """What the caller gets, and gets again under the same key: a status and the exact bytes."""

    status_code: int
    body: bytes


class Result(Struct, frozen=True):
    """What became of a command or of a batch: its answer, and the outcome.

    ``outcome`` is None for a replay: the stored ``answer`` is all that is known. ``items`` are the
    results of a batch's commands; of an atomic batch that failed, only that of the failing command.
    It is None for a single command.
    """

    answer: Answer
    outcome: Outcome | None = None
    replayed: bool = False
    items: Sequence[Result] | None = None

    @property
    def each(self) -> Sequence[Result]:
        """One result for each command that was looked at."""
        return (self,) if self.items is None else self.items

    @property
    def decided(self) -> Outcome:
        """The outcome of a command that cannot be a replay.

        Raises ``LookupError`` where it is one.
        """
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
"""What another transaction may have locked: an account, an idempotency key with its owner, or a new
merchant's name with no owner."""

Render = Callable[[Outcome], Answer]
RenderAll = Callable[[Sequence[Result]], Answer]
RenderFailure = Callable[[int, Result], Answer]


class Item(Struct, frozen=True):
    """One command, how its answer is written, and its key (None: the answer is not stored)."""

    command: Command
    render: Render
    key: Key | None = None


class Envelope(Struct, frozen=True):
    """What a batch has beside its items: how its answer is written, a key of its own, and whether
    it is all or nothing.

    ``render_failure`` writes the answer of an atomic batch that failed at an index.
    """

    render: RenderAll
    render_failure: RenderFailure
    key: Key | None = None
    atomic: bool = False


_UNREAD_ANSWER = Answer(200, b"")
UNREAD = Envelope(render=lambda _results: _UNREAD_ANSWER, render_failure=lambda _index, _result: _UNREAD_ANSWER)
"""The envelope of commands whose answer as a whole is not read: the lines of a file, an operator's
form, a history."""


Alongside = Callable[[Sequence[Result]], None]


class Job(Struct, frozen=True):
    """One request: a single command, or a batch of them in an envelope.

    ``moments`` are the times of the items of a backdated history (synchronous.py). Such items have
    no keys. ``alongside`` writes in the posting's transaction what belongs to it, given the results
    of a job that was posted now; if it raises an error, nothing is posted.
    """

    items: Sequence[Item]
    envelope: Envelope | None = None
    moments: Sequence[datetime] = ()
    alongside: Alongside | None = None

    def timed_items(self) -> Iterator[tuple[Item, datetime | None]]:
        """Each item with its moment; None: now."""
        return itertools.zip_longest(self.items, self.moments)

    def accounts(self) -> set[AccountKey]:
        """Every account that its commands may need, whatever fee schedule applies."""
        commands = [item.command for item in self.items]
        accounts = {account for command in commands for account in command.accounts()}
        return accounts | {command.receiver_fees() for command in commands if isinstance(command, TransferFunds)}

    def needs(self) -> set[Blocker]:
        """Everything that another transaction may have locked: accounts, keys, and the names of new
        merchants.
        """
        names = {("", fold(item.command.merchant.name)) for item in self.items if isinstance(item.command, RegisterMerchant)}
        return self.accounts() | self.key_names() | names

    def key_names(self) -> frozenset[tuple[str, str]]:
        """Its keys, each with its owner."""
        return frozenset((key.owner, key.key) for key in self.all_keys())

    def all_keys(self) -> list[Key]:
        """All keys, the envelope's first."""
        keys = [item.key for item in self.items if item.key is not None]
        if self.envelope is not None and self.envelope.key is not None:
            keys.insert(0, self.envelope.key)
        return keys


Submit = Callable[[Command, Key | None, Render], Awaitable[Result]]
"""What has one command of a caller posted: ``engine.submit_one``, or what asks a second person
first (approvals/services/requests.py)."""
