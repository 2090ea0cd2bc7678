"""The facts that a batch is decided on, read under its locks: the ``Book`` of ``plan``."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import cast
from uuid import UUID

from django.conf import settings

from fees.domain import Payer, Schedule
from fees.selectors import load_by_ids
from ledger_project.database.arrays import quoted, uuids, words
from ledger_project.database.fields import new_id
from ledger_project.database.lost_rows import identities_lost
from ledger_project.observability import metrics
from merchants.domain import AccountKind, MerchantIdentity, Status, effective_status
from transfers.domain import commands as c
from transfers.domain.commands import AccountKey
from transfers.domain.facts import AccountState, Book, HoldState
from transfers.domain.hashing import GENESIS
from transfers.domain.hold_outcomes import HoldStatus
from transfers.posting import sql
from transfers.posting.account_ids import find_accounts
from transfers.posting.clock import check_clocks, process_clock
from transfers.posting.idempotency import Claims
from transfers.posting.locks import WAIT, Locking, check_free, lock
from transfers.posting.pipeline import Reply, Session

_HeadRow = tuple[
    UUID, UUID, str, str, str, str, str, Decimal, datetime, int | None, Decimal | None, bytes | None, datetime | None
]  # one row of sql.HEADS


_BEGINNINGS = c.TransferFunds | c.Deposit | c.PlaceHold | c.OpenAccount
"""Commands that bring something new into a currency, so that it must be active. (REGISTER_MERCHANTS
checks registrations.)"""

_ENDS = c.CaptureHold | c.VoidHold | c.ExpireHold
"""Commands that end a hold."""


def find_schedules(session: Session, commands: Iterable[c.Command]) -> Reply | None:
    """Ask for the schedules that may apply to these commands, in the round trip that is open; None
    where no command is charged.
    """
    charged = [command for command in commands if isinstance(command, c.TransferFunds | c.PlaceHold)]
    if not charged:
        return None
    merchants, currencies = {command.source.id for command in charged}, {command.currency.code for command in charged}
    return session.send(sql.SCHEDULES, [uuids(merchants), quoted(currencies)])


def read_schedules(found: Reply | None) -> list[Schedule]:
    """Return the schedules that were found.

    They never change, so only those that are new to this process are read.
    """
    return load_by_ids([cast("UUID", row[0]) for row in found.fetchall()]) if found else []


def account_keys(commands: Iterable[c.Command], schedules: Sequence[Schedule]) -> set[AccountKey]:
    """Return every account that the commands may touch, given who may have to pay fees."""
    receiver_may_pay = any(schedule.payer is Payer.RECEIVER for schedule in schedules)
    keys: set[AccountKey] = set()
    for command in commands:
        keys.update(command.accounts())
        if receiver_may_pay and isinstance(command, c.TransferFunds):
            keys.add(command.receiver_fees())
    return keys


def read_book(
    session: Session,
    commands: Sequence[c.Command],
    *,
    schedules: Sequence[Schedule],
    registered: Mapping[UUID, datetime | None],
    claims: Claims,
    locking: Locking = WAIT,
) -> Book:
    """Lock the commands' accounts; then, in the same round trip, read what they are decided on.

    Where ``locking`` does not wait, raises ``Busy`` with the accounts that others have locked.
    """
    keys = account_keys(commands, schedules)
    ids = find_accounts(session, keys)
    missing = [key for key in keys if key not in ids]
    unguarded = {key.merchant_id for key in missing} - {key.merchant_id for key in ids} - registered.keys()
    before = process_clock()
    with metrics.ACCOUNTS_WAIT.time(), session.round_trip():
        locked = lock(session, ids, unguarded, locking)
        clock = session.send(sql.CLOCK, [_beginnings(commands)])
        accounts = _Accounts(session, ids, missing)
        claims.ask_stored()
        facts = _Facts(session, commands, ids)
    states = accounts.known(commands)
    if locking.waits_for is not None:
        check_free(locked, ids, unguarded, missing)
    now, inactive = _checked_time(clock, before)
    return Book(
        now=now,
        entropy=secrets.randbits(62),
        accounts=states | accounts.new(),
        schedules=schedules,
        references=facts.references(),
        reversals=facts.reversals(),
        holds=facts.holds(),
        registered=registered,
        inactive=inactive,
        clock_tolerance=timedelta(seconds=settings.LEDGER_CLOCK_TOLERANCE),
    )


def _beginnings(commands: Iterable[c.Command]) -> str:
    """Return the currencies that must be active."""
    return words({command.currency.code for command in commands if isinstance(command, _BEGINNINGS)})


def _checked_time(clock: Reply, before: datetime) -> tuple[datetime, frozenset[str]]:
    """Return the time of the batch, and which currencies are switched off.

    The time is the database's, or a little later where the feed's candidate is. Raises
    ``ClocksDiffer``.
    """
    database, now, inactive = cast("tuple[datetime, datetime, list[str]]", clock.fetchone())
    after = process_clock()
    for moment in {database, now}:
        check_clocks(moment, between=(before, after))
    return now, frozenset(inactive)


class _Accounts:
    """The accounts of the commands: those that exist, and those that a first credit may open."""

    def __init__(self, session: Session, ids: Mapping[AccountKey, UUID], missing: Sequence[AccountKey]) -> None:
        self._ids, self._missing = ids, missing
        self._heads = session.send(sql.HEADS, [uuids(ids.values())], binary=True) if ids else None
        self._merchants = session.send(sql.MERCHANTS, [uuids({key.merchant_id for key in missing})]) if missing else None

    def known(self, commands: Sequence[c.Command]) -> dict[AccountKey, AccountState]:
        """Return the accounts that exist.

        Raises ``IdentitiesLost`` where an account or a merchant that this process has seen is not
        in the database any more. Without this, a merchant that was lost and then registered anew
        under another id would be refused for want of funds.
        """
        states = _states(cast("list[_HeadRow]", self._heads.fetchall())) if self._heads else {}
        rows = cast("list[tuple[UUID, str, str]]", self._merchants.fetchall()) if self._merchants else []
        self._named = {merchant_id: (name, status) for merchant_id, name, status in rows}
        registered_now = {command.merchant.id for command in commands if isinstance(command, c.RegisterMerchant)}
        wanted = {key.merchant_id for key in self._missing} - registered_now
        if len(states) < len(self._ids) or not wanted <= self._named.keys():
            raise identities_lost()
        return states

    def new(self) -> dict[AccountKey, AccountState]:
        """Return the accounts that do not exist yet, as they would begin. ``known`` comes first."""
        states = {}
        for key in self._missing:
            # A merchant is not there where its name was taken: its command is refused before it
            # looks at its accounts.
            name, status = self._named.get(key.merchant_id, ("", Status.ACTIVE.value))
            states[key] = AccountState(
                new_id(place=key.merchant_id),
                key,
                name,
                Status(status),
                0,
                None,
                sequence=0,
                balance_minor=0,
                last_hash=GENESIS,
                last_at=None,
                exists=False,
            )
        return states


class _Facts:
    """What else the commands are decided on. Nothing is asked for that no command needs."""

    def __init__(self, session: Session, commands: Sequence[c.Command], ids: Mapping[AccountKey, UUID]) -> None:
        references = [
            (reference, ids[key])
            for command in commands
            if (reference := _reference(command)) is not None
            for key in command.accounts()
            if key in ids
        ]
        reversals = [command.original for command in commands if isinstance(command, c.ReverseTransfer)]
        self._terms = {command.terms.id: command.terms for command in commands if isinstance(command, _ENDS)}
        self._references = session.send(sql.REFERENCES, _columns(references)) if references else None
        self._reversals = session.send(sql.REVERSALS, _beside(reversals, (one.target for one in reversals), ids)) if reversals else None
        terms = self._terms.values()
        self._holds = session.send(sql.HOLD_STATES, _beside(terms, (one.source for one in terms), ids)) if terms else None

    def references(self) -> dict[tuple[UUID, str], UUID]:
        """Return the external references that are taken: by account and reference the transfer that
        has it.
        """
        rows = cast("list[tuple[UUID, str, UUID]]", self._references.fetchall()) if self._references else []
        return {(account_id, reference): transfer_id for account_id, reference, transfer_id in rows}

    def reversals(self) -> dict[UUID, list[int]]:
        """Return the amounts of earlier reversals by original, in their order."""
        amounts: dict[UUID, list[int]] = {}
        for original, amount in cast("list[tuple[UUID, Decimal]]", self._reversals.fetchall()) if self._reversals else []:
            amounts.setdefault(original, []).append(int(amount))
        return amounts

    def holds(self) -> dict[UUID, HoldState]:
        """Return the holds that the commands end."""
        rows = cast("list[tuple[UUID, str, Decimal, UUID | None]]", self._holds.fetchall()) if self._holds else []
        return {
            hold_id: HoldState(self._terms[hold_id], HoldStatus(status), int(captured), capture_id)
            for hold_id, status, captured, capture_id in rows
        }


def _columns(references: Sequence[tuple[str, UUID]]) -> list[str]:
    return [quoted(reference for reference, _ in references), uuids(account_id for _, account_id in references)]


def _beside(
    things: Iterable[c.Original | c.HoldTerms], merchants: Iterable[MerchantIdentity | None], ids: Mapping[AccountKey, UUID]
) -> list[str]:
    """Return the ids of things, and of the wallets that they lie beside: each in its currency."""
    found = list(things)
    wallets = {
        ids.get(AccountKey(merchant.id.int, one.currency.code, AccountKind.WALLET))
        for one, merchant in zip(found, merchants, strict=True)
        if merchant is not None
    }
    return [uuids({one.id for one in found}), uuids(wallets - {None})]


def _reference(command: c.Command) -> str | None:
    details = getattr(command, "details", None)
    return details.external_reference if isinstance(details, c.Details) else None


_KINDS = {kind.value: kind for kind in AccountKind}  # a member is found by a call otherwise


def _states(rows: Iterable[_HeadRow]) -> dict[AccountKey, AccountState]:
    states = {}
    for (
        account_id,
        merchant_id,
        currency,
        kind,
        status,
        merchant_status,
        name,
        overdraft,
        created_at,
        sequence,
        balance,
        digest,
        at,
    ) in rows:
        key = AccountKey(merchant_id.int, currency, _KINDS[kind])
        states[key] = AccountState(
            id=account_id,
            key=key,
            merchant_name=name,
            status=effective_status(status, merchant_status),
            overdraft_minor=int(overdraft),
            created_at=created_at,
            sequence=sequence or 0,
            balance_minor=0 if balance is None else int(balance),
            last_hash=GENESIS if digest is None else bytes(digest),
            last_at=at,
            exists=True,
        )
    return states
