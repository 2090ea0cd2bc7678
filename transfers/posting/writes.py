"""What a plan has decided, written: one insert a table, all of them in one round trip.

The large statements are pushed out one by one, and the database works on each while the next one is made ready: the entries are hashed
while the transfers are inserted, the answers are written (posting.py) while the entries are.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from ledger_project.kernel.metadata import stored_json
from transfers.domain.facts import AccountState, HoldState
from transfers.domain.hashing import seal
from transfers.domain.kinds import BatchPlace
from transfers.domain.ledger import PostedEntry, PostedTransfer
from transfers.domain.plan import Plan
from transfers.posting import sql
from transfers.posting.arrays import hexes, microseconds, plain, quoted, uuids, words
from transfers.posting.jobs import Answer
from transfers.posting.pipeline import Session
from transfers.posting.refusal_counts import RefusalCounts, insert_refusals


class Completion(Struct, frozen=True):
    """The answer that a claimed key gets. The id of its record is text: it comes from the database and goes back there."""

    record_id: str
    answer: Answer
    transfer_id: UUID | None


def write_plan(session: Session, plan: Plan, *, now: datetime, known_holds: Container[UUID]) -> None:
    """Write accounts, holds, transfers and entries, in the round trip that is open. The database's guards check each of them.

    ``now`` is the time that most of them have.
    """
    placed = [hold for hold in plan.holds if hold.terms.id not in known_holds]
    ended = [hold for hold in plan.holds if hold.terms.id in known_holds]
    if plan.opened:
        _open_accounts(session, plan.opened)
    if placed:
        _place_holds(session, placed, plan)
    if plan.transfers:
        _insert_transfers(session, plan.transfers, now)
        session.push()
        _insert_entries(session, plan.entries, now)
        session.push()
    if ended:
        _end_holds(session, ended)


def write_answers(session: Session, completions: Sequence[Completion], released: Sequence[str], refusals: RefusalCounts) -> None:
    """Write the answers of claimed keys, free those that stay unanswered, and count refusals, in the round trip that is open."""
    if completions:
        _complete_keys(session, completions)
    if released:
        session.send(sql.RELEASE_KEYS, [plain(released)])
    if refusals:
        insert_refusals(session, refusals)


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


def _place_holds(session: Session, holds: Sequence[HoldState], plan: Plan) -> None:
    wallets = {transfer.hold_id: transfer.source_account_id for transfer in reversed(plan.transfers) if transfer.hold_id}
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


def _end_holds(session: Session, holds: Sequence[HoldState]) -> None:
    session.send(
        sql.END_HOLDS,
        [
            plain(hold.terms.id for hold in holds),
            plain(hold.status.value for hold in holds),
            plain(hold.captured_minor for hold in holds),
            plain(hold.transfer_id for hold in holds),
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


def _complete_keys(session: Session, completions: Sequence[Completion]) -> None:
    session.send(
        sql.COMPLETE_KEYS,
        [
            words(completion.record_id for completion in completions),
            plain(completion.answer.status_code for completion in completions),
            quoted(completion.answer.body.decode() for completion in completions),
            uuids(completion.transfer_id for completion in completions),
        ],
    )
