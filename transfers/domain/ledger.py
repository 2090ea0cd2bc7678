"""The working copy of the book that a plan posts to.

``Ledger`` applies postings one after the other, so that each command sees the effects of the
earlier commands of the batch. It can take a group of postings back. Nothing here reads a clock or a
database.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct

from ledger_project.kernel.errors import AccountAheadOfClock
from ledger_project.kernel.happenings import EventType
from ledger_project.kernel.ids import uuid7_at
from ledger_project.kernel.money import MAX_BALANCE_MINOR, CurrencyUnit
from ledger_project.kernel.refusals import AccountClosed, AccountFrozen, BalanceLimitExceeded, CurrencyInactive
from merchants.domain import AccountKind, MerchantIdentity, Status
from transfers.domain.commands import AccountKey, Details
from transfers.domain.events import Facts, PostedEvent, account_facts
from transfers.domain.facts import AccountState, Book, HoldState
from transfers.domain.kinds import Direction, EntryType, TransferKind


class PostedTransfer(Struct, frozen=True):
    """A transfer as it will be stored. ``source`` or ``target`` is None for the outside."""

    id: UUID
    kind: TransferKind
    source: MerchantIdentity | None
    target: MerchantIdentity | None
    source_account_id: UUID
    target_account_id: UUID
    currency: CurrencyUnit
    amount_minor: int
    fee_minor: int
    total_debit_minor: int
    schedule_id: UUID | None
    schedule_version: int | None
    reverses: UUID | None
    hold_id: UUID | None
    reference_account_id: UUID
    details: Details
    created_at: datetime


class PostedEntry(Struct, frozen=True):
    """One line of the journal, as it will be stored with its transfer's id, time and hash."""

    account: AccountState
    sequence: int
    transfer: PostedTransfer
    direction: Direction
    type: EntryType
    amount_minor: int
    balance_after_minor: int


class AccountSnapshot(Struct, frozen=True):
    """A wallet as an answer shows it, right after the command.

    ``available_minor`` does not contain the overdraft limit.
    """

    id: UUID
    merchant_name: str
    currency: CurrencyUnit
    status: Status
    available_minor: int
    held_minor: int
    overdraft_minor: int
    created_at: datetime


_MICROSECOND = timedelta(microseconds=1)

FIRST_TRANSFER = 1 << 16
"""The position of a batch's first transfer in its ids: at one moment, a merchant is registered and
an account opened before money comes in."""

# Looked up once: Python finds a member of an Enum by a call.
_CREDIT, _DEBIT = Direction.CREDIT, Direction.DEBIT


class Leg(NamedTuple):
    """One movement of a posting: into the account, or out of it if ``amount_minor`` is negative."""

    account: AccountState
    type: EntryType
    amount_minor: int


class Shortfall(Exception):
    """A leg would take an account below what it may hold."""

    def __init__(self, account: AccountState) -> None:
        super().__init__()
        self.account = account


_Undo = tuple[AccountState, tuple[int, int, "datetime | None", bool]]


class Ledger:
    """The working copy: account states move on, and the rows to be written pile up.

    ``now`` is the book's, except while the plan decides a command that has a moment of its own.
    """

    def __init__(self, book: Book) -> None:
        self.book = book
        self.now = book.now
        self.transfers: list[PostedTransfer] = []
        self.entries: list[PostedEntry] = []
        self.opened: list[AccountState] = []
        self.events: list[PostedEvent] = []
        self.holds = dict(book.holds)
        self.changed_holds: dict[UUID, None] = {}
        self.references = dict(book.references)
        self.reversals = {original: list(amounts) for original, amounts in book.reversals.items()}
        self._undo: list[_Undo] | None = None

    def account(self, merchant: MerchantIdentity, currency: CurrencyUnit, kind: AccountKind) -> AccountState:
        """Return an account's state. The book has it, since the command named the account."""
        return self.book.accounts[AccountKey(merchant.id.int, currency.code, kind)]

    def check_open(self, *accounts: AccountState) -> None:
        """Raise ``AccountClosed`` or ``AccountFrozen`` for the first such account."""
        for account in accounts:
            if account.status is Status.CLOSED:
                raise AccountClosed(account.merchant_name, account.key.currency)
            if account.status is Status.FROZEN:
                raise AccountFrozen(account.merchant_name, account.key.currency)

    def check_in_use(self, currency: CurrencyUnit) -> None:
        """Raise ``CurrencyInactive`` for a currency that is switched off.

        Commands that bring something new into a currency check this; money may always leave it.
        """
        if currency.code in self.book.inactive:
            raise CurrencyInactive(currency.code)

    def open(self, account: AccountState, moment: datetime) -> None:
        """Open an account that does not exist yet."""
        self._remember(account)
        account.exists = True
        account.created_at = moment
        self.opened.append(account)
        if account.key.kind is AccountKind.WALLET:
            facts = account_facts(
                account_id=account.id,
                merchant_name=account.merchant_name,
                currency=account.key.currency,
                status=account.status.value,
                created_at=moment,
            )
            self.happen(EventType.ACCOUNT_OPENED, {"account": facts}, merchant_id=account.key.merchant_id, account_id=account.id, at=moment)

    def happen(self, type_: EventType, facts: Facts, *, merchant_id: UUID, account_id: UUID | None = None, at: datetime) -> None:
        """Tell of something that is no transfer."""
        event_id = uuid7_at(at, position=len(self.events), entropy=self.book.entropy, place=account_id or merchant_id)
        self.events.append(PostedEvent(event_id, type_, merchant_id, account_id, facts, at))

    def check_legs(self, legs: Sequence[Leg]) -> None:
        """Raise ``Shortfall`` or ``BalanceLimitExceeded`` for the first leg that breaks a limit."""
        balances: dict[int, int] = {}
        for account, _, amount_minor in legs:
            balance = balances.get(id(account), account.balance_minor)
            after = balance + amount_minor
            if amount_minor < 0 and after < -account.overdraft_minor and account.key.kind is not AccountKind.EXTERNAL:
                raise Shortfall(account)
            if not -MAX_BALANCE_MINOR <= after <= MAX_BALANCE_MINOR:
                raise BalanceLimitExceeded(account.merchant_name, account.key.currency)
            balances[id(account)] = after

    def moment(self, legs: Sequence[Leg]) -> datetime:
        """Return the posting's time: now, but later than the last entry of each of its accounts.

        So ids, which contain times, follow the sequence of each account. Raises
        ``AccountAheadOfClock`` for an account whose last entry is too far in the future: each
        account that it pays would get there too.
        """
        moment = self.now
        for account, _, _ in legs:
            last_at = account.last_at
            if last_at is not None and last_at >= moment:
                if last_at - self.now > self.book.clock_tolerance:
                    raise AccountAheadOfClock(account.id, last_at.isoformat())
                moment = last_at + _MICROSECOND
        return moment

    def next_id(self, moment: datetime, source: AccountState) -> UUID:
        """Return the next transfer's id, beside its source account.

        Ids are in the order of time, then of posting.
        """
        return uuid7_at(moment, position=FIRST_TRANSFER + len(self.transfers), entropy=self.book.entropy, place=source.id)

    def post(self, transfer: PostedTransfer, legs: Sequence[Leg]) -> None:
        """Append a transfer and its entries. The caller has checked the legs."""
        moment = transfer.created_at
        for account, kind, amount_minor in legs:
            if not account.exists:
                self.open(account, moment)
            self._remember(account)
            account.sequence += 1
            account.balance_minor += amount_minor
            account.last_at = moment
            direction, moved_minor = (_CREDIT, amount_minor) if amount_minor > 0 else (_DEBIT, -amount_minor)
            self.entries.append(PostedEntry(account, account.sequence, transfer, direction, kind, moved_minor, account.balance_minor))
        self.transfers.append(transfer)
        if transfer.details.external_reference is not None:
            self.references[transfer.reference_account_id, transfer.details.external_reference] = transfer.id

    def set_hold(self, hold: HoldState) -> None:
        """Record a new hold, or a new state of one."""
        self.holds[hold.terms.id] = hold
        self.changed_holds[hold.terms.id] = None

    def snapshot(self, wallet: AccountState, held: AccountState, currency: CurrencyUnit) -> AccountSnapshot:
        """Return a wallet as an answer shows it now."""
        return AccountSnapshot(
            id=wallet.id,
            merchant_name=wallet.merchant_name,
            currency=currency,
            status=wallet.status,
            available_minor=wallet.balance_minor,
            held_minor=held.balance_minor,
            overdraft_minor=wallet.overdraft_minor,
            created_at=wallet.created_at or self.now,
        )

    # --- taking a group back ---------------------------------------------------------------------

    def savepoint(self) -> Savepoint:
        """Return a mark for ``rollback``. It lasts until ``release``; there is one at a time."""
        self._undo = []
        return Savepoint(
            transfers=len(self.transfers),
            entries=len(self.entries),
            opened=len(self.opened),
            events=len(self.events),
            holds=dict(self.holds),
            changed_holds=dict(self.changed_holds),
            references=dict(self.references),
            reversals={original: list(amounts) for original, amounts in self.reversals.items()},
        )

    def rollback(self, mark: Savepoint) -> None:
        """Undo everything since the mark, and release the mark."""
        for account, state in reversed(self._undo or []):
            account.sequence, account.balance_minor, account.last_at, account.exists = state
        self.release()
        del self.transfers[mark.transfers :]
        del self.entries[mark.entries :]
        del self.opened[mark.opened :]
        del self.events[mark.events :]
        self.holds, self.changed_holds = mark.holds, mark.changed_holds
        self.references, self.reversals = mark.references, mark.reversals

    def release(self) -> None:
        """Keep everything since the mark."""
        self._undo = None

    def _remember(self, account: AccountState) -> None:
        if self._undo is not None:
            self._undo.append((account, (account.sequence, account.balance_minor, account.last_at, account.exists)))


class Savepoint(Struct, frozen=True):
    """The state of a ledger at a mark."""

    transfers: int
    entries: int
    opened: int
    events: int
    holds: dict[UUID, HoldState]
    changed_holds: dict[UUID, None]
    references: dict[tuple[UUID, str], UUID]
    reversals: dict[UUID, list[int]]
