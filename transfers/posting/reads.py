"""What a batch needs to know, read under its locks: the ``Book`` that ``plan`` decides on."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import cast
from uuid import UUID

from django.conf import settings

from fees.domain import Payer, Schedule
from fees.selectors import CANDIDATES, load_by_ids
from ledger_project.database.fields import new_id
from ledger_project.database.lost_rows import identities_lost
from ledger_project.observability import metrics
from merchants.domain import AccountKind, Status, effective_status
from transfers.domain import commands as c
from transfers.domain.commands import AccountKey, HoldTerms
from transfers.domain.facts import AccountState, Book, HoldState
from transfers.domain.hashing import GENESIS
from transfers.domain.hold_outcomes import HoldStatus
from transfers.posting import sql
from transfers.posting.account_ids import find_accounts
from transfers.posting.arrays import plain, quoted, uuids, words
from transfers.posting.clock import check_clocks, process_clock
from transfers.posting.pipeline import Reply, Session

_HeadRow = tuple[
    UUID, UUID, str, str, str, str, str, Decimal, datetime, int | None, Decimal | None, bytes | None, datetime | None
]  # one row of sql.HEADS


_BEGINNINGS = c.TransferFunds | c.Deposit | c.PlaceHold | c.OpenAccount
"""What brings something new into a currency, so that it must not be switched off. A registration is judged where its name is taken."""


def find_schedules(session: Session, commands: Iterable[c.Command]) -> Reply | None:
    """Ask which schedules may apply to these commands, in the round trip that is open; nothing where no command is charged by them."""
    charged = [command for command in commands if isinstance(command, c.TransferFunds | c.PlaceHold)]
    if not charged:
        return None
    merchants, currencies = {command.source.id for command in charged}, {command.currency.code for command in charged}
    return session.send(CANDIDATES, [uuids(merchants), quoted(currencies)])


def read_schedules(found: Reply | None) -> list[Schedule]:
    """Return the schedules that were found; they never change, so only those that this process has not met are read."""
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


@dataclass(frozen=True, slots=True)
class Locking:
    """Which accounts' locks a posting waits for (None: all). The others it takes only if nobody holds them."""

    waits_for: frozenset[AccountKey] | None


WAIT = Locking(None)
"""What a posting does at first."""

ONLY_FREE = Locking(frozenset())
"""What it does once it has waited in vain."""


class Busy(Exception):
    """Somebody else holds the locks of these accounts; the transaction is to be ended, and tried again without who needs them."""

    def __init__(self, accounts: frozenset[AccountKey]) -> None:
        super().__init__(f"{len(accounts)} accounts are locked by others")
        self.accounts = accounts


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer that was given before under a key."""

    fingerprint: bytes
    status_code: int | None
    body: str | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read after the locks: the book to plan on, and the stored answers of keys that others had claimed."""

    book: Book
    stored: Mapping[tuple[str, str], StoredAnswer]
    account_ids: Mapping[AccountKey, UUID]


def read_facts(
    session: Session,
    commands: Sequence[c.Command],
    *,
    schedules: Sequence[Schedule],
    registered: Mapping[UUID, datetime | None],
    taken_keys: Sequence[tuple[str, str]],
    locking: Locking = WAIT,
) -> Facts:
    """Lock all accounts of the commands, in id order, then, in later statements of the same round trip, read what they decide on.

    Where ``locking`` does not wait, raises ``Busy`` with the accounts whose locks somebody else holds.
    """
    keys = account_keys(commands, schedules)
    ids = find_accounts(session, keys)
    missing = [key for key in keys if key not in ids]
    references = {r for command in commands if (r := _reference(command)) is not None}
    originals = {command.original.id for command in commands if isinstance(command, c.ReverseTransfer)}
    terms = {command.terms.id: command.terms for command in commands if isinstance(command, c.CaptureHold | c.VoidHold | c.ExpireHold)}
    wanted = uuids(sorted(ids.values()))
    unguarded = {key.merchant_id for key in missing} - {key.merchant_id for key in ids} - registered.keys()
    codes = {command.currency.code for command in commands if isinstance(command, _BEGINNINGS)}
    before = process_clock()
    with metrics.ACCOUNTS_WAIT.time(), session.round_trip():
        locked = _lock(session, ids, unguarded, locking)
        clock = session.send(sql.CLOCK)
        heads = session.send(sql.HEADS, [wanted], binary=True) if ids else None
        inactive = session.send(sql.INACTIVE_CURRENCIES, [words(codes)]) if codes else None
        merchants = session.send(sql.MERCHANTS, [uuids({key.merchant_id for key in missing})]) if missing else None
        replays = session.send(sql.REPLAYS, [quoted(p for p, _ in taken_keys), quoted(k for _, k in taken_keys)]) if taken_keys else None
        taken = session.send(sql.REFERENCES, [quoted(references), wanted]) if references else None
        reversals = session.send(sql.REVERSALS, [plain(originals)]) if originals else None
        holds = session.send(sql.HOLD_STATES, [plain(terms)]) if terms else None
    states = _states(cast("list[_HeadRow]", heads.fetchall())) if heads else {}
    known = cast("list[tuple[UUID, str, str]]", merchants.fetchall()) if merchants else []
    _check_identities(commands, ids, states, missing, known)
    if locking.waits_for is not None:
        _check_free(locked, ids, unguarded, missing)
    states |= _new_states(missing, known)
    (now,) = cast("tuple[datetime]", clock.fetchone())
    check_clocks(now, between=(before, process_clock()))
    return Facts(
        book=Book(
            now=now,
            entropy=secrets.randbits(62),
            accounts=states,
            schedules=schedules,
            references={(a, r): t for a, r, t in cast("list[tuple[UUID, str, UUID]]", taken.fetchall())} if taken else {},
            reversals=_by_original(cast("list[tuple[UUID, Decimal]]", reversals.fetchall())) if reversals else {},
            holds=_hold_states(terms, cast("list[tuple[UUID, str, Decimal, UUID | None]]", holds.fetchall())) if holds else {},
            registered=registered,
            inactive={code for (code,) in cast("list[tuple[str]]", inactive.fetchall())} if inactive else frozenset(),
            clock_tolerance=timedelta(seconds=settings.LEDGER_CLOCK_TOLERANCE),
        ),
        stored={
            (owner, key): StoredAnswer(bytes(fingerprint), status_code, body)
            for owner, key, fingerprint, status_code, body in cast("list[tuple[str, str, bytes, int, str]]", replays.fetchall())
        }
        if replays
        else {},
        account_ids=ids,
    )


def _lock(session: Session, ids: Mapping[AccountKey, UUID], merchants: Collection[UUID], locking: Locking) -> list[Reply]:
    """Lock merchants, then accounts. Only those merchants of new accounts are locked of whom no account is: one lock is guard enough.

    What is waited for comes first, so that nothing else is held meanwhile; what is not waited for cannot be part of a circle.
    """
    steps: list[tuple[str, Collection[UUID]]]
    if locking.waits_for is None:
        steps = [(sql.LOCK_MERCHANTS, merchants), (sql.LOCK_ACCOUNTS, ids.values())]
    else:
        waited_merchants = {key.merchant_id for key in locking.waits_for}.intersection(merchants)
        waited = {account_id for key, account_id in ids.items() if key in locking.waits_for}
        steps = [
            (sql.LOCK_MERCHANTS, waited_merchants),
            (sql.LOCK_ACCOUNTS, waited),
            (sql.LOCK_FREE_MERCHANTS, set(merchants) - waited_merchants),
            (sql.LOCK_FREE_ACCOUNTS, set(ids.values()) - waited),
        ]
    return [session.send(statement, [uuids(sorted(wanted))]) for statement, wanted in steps if wanted]


def _check_free(
    locked: Iterable[Reply], ids: Mapping[AccountKey, UUID], merchants: Collection[UUID], missing: Iterable[AccountKey]
) -> None:
    """Raise ``Busy`` unless everything was locked that was to be."""
    have = {row[0] for reply in locked for row in reply.fetchall()}
    busy = [key for key, account_id in ids.items() if account_id not in have]
    busy += [key for key in missing if key.merchant_id in merchants and key.merchant_id not in have]
    if busy:
        raise Busy(frozenset(busy))


def _check_identities(
    commands: Sequence[c.Command],
    ids: Mapping[AccountKey, UUID],
    states: Mapping[AccountKey, AccountState],
    missing: Sequence[AccountKey],
    known: Sequence[tuple[UUID, str, str]],
) -> None:
    """Raise ``IdentitiesLost`` where an account or merchant that somebody had seen is not in the database any more.

    Without this a merchant that was lost, and registered anew under another id, would be refused for want of funds.
    """
    new = {command.merchant.id for command in commands if isinstance(command, c.RegisterMerchant)}
    wanted = {key.merchant_id for key in missing} - new
    if len(states) < len(ids) or not wanted <= {merchant_id for merchant_id, _, _ in known}:
        raise identities_lost()


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


def _new_states(missing: Iterable[AccountKey], rows: Iterable[tuple[UUID, str, str]]) -> dict[AccountKey, AccountState]:
    merchants = {merchant_id: (name, status) for merchant_id, name, status in rows}
    states = {}
    for key in missing:
        # A merchant that is not there is one whose name was taken: its command is refused before it looks at its accounts.
        name, status = merchants.get(key.merchant_id, ("", Status.ACTIVE.value))
        states[key] = AccountState(
            new_id(), key, name, Status(status), 0, None, sequence=0, balance_minor=0, last_hash=GENESIS, last_at=None, exists=False
        )
    return states


def _by_original(rows: Iterable[tuple[UUID, Decimal]]) -> dict[UUID, list[int]]:
    amounts: dict[UUID, list[int]] = {}
    for original, amount in rows:
        amounts.setdefault(original, []).append(int(amount))
    return amounts


def _hold_states(terms: Mapping[UUID, HoldTerms], rows: Iterable[tuple[UUID, str, Decimal, UUID | None]]) -> dict[UUID, HoldState]:
    return {
        hold_id: HoldState(terms[hold_id], HoldStatus(status), int(captured), capture_id) for hold_id, status, captured, capture_id in rows
    }
