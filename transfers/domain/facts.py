"""The facts that a plan decides on: the store has read them under lock.

Nothing here reads a clock or a database.
"""

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
    """An account as it stands: the last entry of its chain, its status and its limit.

    It changes while a batch is planned; ``last_hash`` changes when the plan is sealed
    (``hashing.py``). ``exists`` is false for an account that its first credit will open.
    ``overdraft_minor`` says how far below zero it may go.
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
        """Keep the id's 16 bytes: the hash of each entry needs them."""
        self.packed_id = self.id.bytes


class HoldState(Struct, frozen=True):
    """A hold's terms, and its state so far."""

    terms: HoldTerms
    status: HoldStatus
    captured_minor: int
    transfer_id: UUID | None


class Book(Struct, frozen=True):
    """Everything that the store has read under lock for the commands of a batch.

    - ``now``: the database's clock, read after the locks.
    - ``entropy``: makes ids unique.
    - ``references``: the external references that are taken, by account.
    - ``reversals``: the amounts of earlier reversals, by original.
    - ``registered``: the time at which a new merchant got its name. None means that it did not get
      the name because its currency is switched off; a missing merchant, that the name was taken.
    - ``inactive``: the codes of currencies that are switched off.
    - ``clock_tolerance``: how far an account's last entry may be ahead of ``now``.
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
