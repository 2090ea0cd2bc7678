"""The rows of a plan, written: one insert a table, all of them in one round trip.

The large statements are pushed out one by one. The database works on each while the next one is
made ready: the entries are hashed while the transfers are inserted, and the answers are written
(results.py) while the entries are inserted.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from ledger_project.database.arrays import hexes, microseconds, plain, quoted, uuids, words
from ledger_project.kernel.metadata import stored_json
from transfers.domain.commands import RegisterMerchant
from transfers.domain.events import PostedEvent
from transfers.domain.facts import AccountState, HoldState
from transfers.domain.hashing import seal
from transfers.domain.kinds import BatchPlace, TransferKind
from transfers.domain.ledger import PostedEntry, PostedTransfer
from transfers.domain.plan import Plan
from transfers.posting import sql
from transfers.posting.idempotency import Claims
from transfers.posting.jobs import Job
from transfers.posting.pipeline import Reply, Session


def register_merchants(session: Session, jobs: Sequence[Job], claims: Claims) -> Reply | None:
    """Take the names of new merchants, in a round trip of its own: only for commands whose key
    turned out to be ours.

    The reply has the id of each merchant that got its name, and since when; None: its currency is
    switched off.
    """
    new = _new_merchants(jobs, claims)
    if not new:
        return None
    commands = [command for command, _ in new]
    return session.send(
        sql.REGISTER_MERCHANTS,
        [
            plain(command.merchant.id for command in commands),
            quoted(command.merchant.name for command in commands),
            quoted(command.display_name for command in commands),
            quoted(command.receipt_email for command in commands),
            quoted(stored_json(command.metadata) for command in commands),
            quoted(moment for _, moment in new),
            quoted(command.currency.code if command.currency else None for command in commands),
        ],
    )


def _new_merchants(jobs: Sequence[Job], claims: Claims) -> list[tuple[RegisterMerchant, str | None]]:
    """Return the registrations that are to be decided, each with its moment if it is backdated."""
    if not any(isinstance(item.command, RegisterMerchant) for job in jobs for item in job.items):
        return []
    new: list[tuple[RegisterMerchant, str | None]] = []
    seen: set[tuple[str, str]] = set()
    for item, moment in (timed for job in jobs for timed in job.timed_items()):
        name = None if item.key is None else (item.key.owner, item.key.key)
        if isinstance(item.command, RegisterMerchant) and name not in seen and claims.ours(item.key):
            new.append((item.command, str(moment) if moment else None))
        if name is not None:
            seen.add(name)
    return new


def write_plan(session: Session, plan: Plan, *, now: datetime, known_holds: Container[UUID]) -> None:
    """Write accounts, events, holds, transfers and entries, in the round trip that is open.

    The database's guards check each of them.

    ``now`` is the time of most rows: the times of all are sent as their distance from it.
    """
    placed = [hold for hold in plan.holds if hold.terms.id not in known_holds]
    ended = [hold for hold in plan.holds if hold.terms.id in known_holds]
    wallets = _paying_wallets(plan) if plan.holds else {}
    if plan.opened:
        _open_accounts(session, plan.opened)
    if plan.events:
        _insert_events(session, plan.events)
    if placed:
        _place_holds(session, placed, wallets)
    referred = [transfer for transfer in plan.transfers if transfer.details.external_reference is not None]
    if referred:
        _insert_references(session, referred)
    if plan.transfers:
        _insert_transfers(session, plan.transfers, now)
        session.push()
        _insert_entries(session, plan.entries, now)
        session.push()
    if ended:
        _end_holds(session, ended, wallets)


def _open_accounts(session: Session, opened: Sequence[AccountState]) -> None:
    session.send(
        sql.OPEN_ACCOUNTS,
        [
            plain(account.id for account in opened),
            plain(account.key.merchant_id for account in opened),
            plain(account.key.currency for account in opened),
            plain(account.key.kind.value for account in opened),
            quoted(str(account.created_at) for account in opened),
        ],
    )


def _insert_events(session: Session, events: Sequence[PostedEvent]) -> None:
    session.send(
        sql.INSERT_EVENTS,
        [
            uuids(event.id for event in events),
            words(event.type.value for event in events),
            uuids(event.merchant_id for event in events),
            uuids(event.account_id for event in events),
            quoted(stored_json(event.facts) for event in events),
            quoted(str(event.created_at) for event in events),
        ],
    )


def _paying_wallets(plan: Plan) -> dict[UUID, UUID]:
    """Return the payer's wallet of each hold that the plan moves."""
    return {
        transfer.hold_id: transfer.target_account_id if transfer.kind is TransferKind.HOLD_RELEASE else transfer.source_account_id
        for transfer in plan.transfers
        if transfer.hold_id is not None
    }


def _place_holds(session: Session, holds: Sequence[HoldState], wallets: Mapping[UUID, UUID]) -> None:
    terms = [hold.terms for hold in holds]
    session.send(
        sql.PLACE_HOLDS,
        [
            plain(t.id for t in terms),
            plain(wallets[t.id] for t in terms),
            plain(t.source.id for t in terms),
            plain(t.target.id for t in terms),
            plain(t.currency.code for t in terms),
            plain(t.amount_minor for t in terms),
            plain(t.reserved_minor for t in terms),
            plain(hold.captured_minor for hold in holds),
            plain(hold.status.value for hold in holds),
            plain(t.schedule.id for t in terms),
            quoted(t.memo for t in terms),
            quoted(stored_json(t.metadata) for t in terms),
            quoted(str(t.expires_at) for t in terms),
            quoted(str(t.created_at) for t in terms),
        ],
    )


def _end_holds(session: Session, holds: Sequence[HoldState], wallets: Mapping[UUID, UUID]) -> None:
    session.send(
        sql.END_HOLDS,
        [
            plain(hold.terms.id for hold in holds),
            plain(wallets[hold.terms.id] for hold in holds),
            plain(hold.status.value for hold in holds),
            plain(hold.captured_minor for hold in holds),
            plain(hold.transfer_id for hold in holds),
        ],
    )


def _insert_references(session: Session, transfers: Sequence[PostedTransfer]) -> None:
    session.send(
        sql.INSERT_REFERENCES,
        [
            quoted(t.details.external_reference for t in transfers),
            uuids(t.reference_account_id for t in transfers),
            uuids(t.id for t in transfers),
        ],
    )


def _insert_transfers(session: Session, transfers: Sequence[PostedTransfer], now: datetime) -> None:
    session.send(
        sql.INSERT_TRANSFERS,
        [
            now,
            min(t.id for t in transfers),
            BatchPlace.ALONE if len(transfers) == 1 else BatchPlace.FIRST,
            uuids(t.id for t in transfers),
            words(t.kind for t in transfers),
            uuids(t.source_account_id for t in transfers),
            uuids(t.target_account_id for t in transfers),
            words(t.currency.code for t in transfers),
            plain(t.amount_minor for t in transfers),
            plain(t.fee_minor for t in transfers),
            plain(t.total_debit_minor for t in transfers),
            uuids(t.schedule_id for t in transfers),
            uuids(t.reverses for t in transfers),
            uuids(t.hold_id for t in transfers),
            quoted(t.details.external_reference for t in transfers),
            quoted(t.details.memo for t in transfers),
            quoted(stored_json(t.details.metadata) for t in transfers),
            quoted(t.details.principal for t in transfers),
            quoted(t.details.request_id for t in transfers),
            microseconds((t.created_at for t in transfers), now),
        ],
    )


def _insert_entries(session: Session, entries: Sequence[PostedEntry], now: datetime) -> None:
    session.send(
        sql.INSERT_ENTRIES,
        [
            now,
            words(entry.account.packed_id.hex() for entry in entries),
            plain(entry.sequence for entry in entries),
            uuids(entry.transfer.id for entry in entries),
            words(entry.direction for entry in entries),
            words(entry.type for entry in entries),
            plain(entry.amount_minor for entry in entries),
            plain(entry.balance_after_minor for entry in entries),
            microseconds((entry.transfer.created_at for entry in entries), now),
            hexes(seal(entries)),
        ],
    )
