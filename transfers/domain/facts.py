"""The facts a plan decides on: what the store has read under lock. Nothing here reads a clock or a database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from msgspec import Struct

from fees.domain import Schedule
from merchants.domain import Status
from transfers.domain.commands import AccountKey, HoldTerms
from transfers.domain.hold_outcomes import HoldStatus


@dataclass(slots=True)
class AccountState:
    """An account as it stands: the last entry of its chain, and what guards it. Changes while a batch is planned.

    ``exists`` is false for an account that the first credit will open; ``overdraft_minor`` is how far below zero it may go.
    ``last_hash`` moves on when the plan is sealed (hashing.py), all else while it is made.
    """

    id: UUID
    key: AccountKey
    merchant_name: str
    status: Status
    overdraft_minor: int
    created_at: datetime | None
    sequence: int
    balance_minor: int
    last_hash: bytes
    last_at: datetime | None
    exists: bool
    packed_id: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Keep the id's 16 bytes: each entry needs them."""
        self.packed_id = self.id.bytes


class HoldState(Struct, frozen=True):
    """A hold's terms and what has become of it so far."""

    terms: HoldTerms
    status: HoldStatus
    captured_minor: int
    transfer_id: UUID | None


class Book(Struct, frozen=True):
    """What the store has read under lock, for all commands of a batch at once.

    ``now`` is the database's clock, read after the locks; ``entropy`` makes ids unique; ``references`` holds the external references
    that are taken, ``reversals`` the amounts of earlier reversals by original. ``registered`` says of the new merchants when they got
    their name; None: they did not, since their currency is switched off; not there: the name was taken. ``inactive`` are the codes of
    currencies that are switched off. ``clock_tolerance`` is how far an account's last entry may be ahead of ``now``.
    """

    now: datetime
    entropy: int
    accounts: Mapping[AccountKey, AccountState]
    schedules: Sequence[Schedule] = ()
    references: Mapping[tuple[UUID, str], UUID] = msgspec.field(default_factory=dict)
    reversals: Mapping[UUID, Sequence[int]] = msgspec.field(default_factory=dict)
    holds: Mapping[UUID, HoldState] = msgspec.field(default_factory=dict)
    registered: Mapping[UUID, datetime | None] = msgspec.field(default_factory=dict)
    inactive: Collection[str] = frozenset()
    clock_tolerance: timedelta = timedelta(seconds=5)
