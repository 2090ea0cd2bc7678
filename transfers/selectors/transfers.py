"""Transfers: one transfer with its entries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, cast
from uuid import UUID

from msgspec import Struct

from fees.domain import Payer
from ledger_project.database.arrays import uuids
from ledger_project.database.reading_lane import Question, ask, ask_now
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import MerchantIdentity
from merchants.selectors import Party
from transfers.domain.commands import Original
from transfers.selectors.entries import ENTRIES, EntryOfTransfer, StoredEntry, counterparty, entry_id_text


class StoredTransfer(Struct, frozen=True):
    """A transfer as it was read, with the names of its merchants; None is the outside."""

    id: UUID
    kind: str
    from_merchant: str | None
    to_merchant: str | None
    currency: CurrencyUnit
    amount_minor: int
    fee_minor: int
    total_debit_minor: int
    schedule_id: UUID | None
    schedule_version: int | None
    reverses: UUID | None
    external_reference: str | None
    memo: str | None
    metadata: Mapping[str, object]
    created_at: datetime


class FoundTransfer(NamedTuple):
    """A transfer with its parties, whom its hold is for, and who paid its fee."""

    transfer: StoredTransfer
    source: Party
    target: Party
    hold_for: str | None
    payer: Payer


_SIDE = """(SELECT a.merchant_id::text, m.name, a.kind = 'external' AS is_outside FROM merchants_account a
    JOIN merchants_merchant m ON m.id = a.merchant_id WHERE a.id = {of} OFFSET 0)"""
# OFFSET 0 keeps the look-up of a side a look-up, whatever the planner knows of the tables.

_TRANSFERS = f"""
SELECT t.id, t.kind, s.merchant_id, s.name, s.is_outside, g.merchant_id, g.name, g.is_outside,
    CASE WHEN t.hold_id IS NOT NULL THEN
        (SELECT m.name FROM transfers_hold h JOIN merchants_merchant m ON m.id = h.target_merchant_id WHERE h.id = t.hold_id) END,
    t.currency_id, c.exponent, t.amount_minor, t.fee_minor, t.total_debit_minor, t.fee_schedule_id, f.version, f.payer,
    t.reverses_id, t.external_reference, t.memo, t.metadata::text, t.created_at
FROM unnest(%s::uuid[]) AS w(id)
JOIN transfers_transfer t ON t.id = w.id
CROSS JOIN LATERAL {_SIDE.format(of="t.source_id")} s
CROSS JOIN LATERAL {_SIDE.format(of="t.target_id")} g
LEFT JOIN merchants_currency c ON c.code = t.currency_id
LEFT JOIN fees_feeschedule f ON f.id = t.fee_schedule_id
"""


def _found(row: tuple[Any, ...]) -> FoundTransfer:
    (transfer_id, kind, *sides, hold_for, code, exponent, amount, fee, total, schedule_id, version, payer) = row[:17]
    reverses, reference, memo, metadata, at = row[17:]
    source, target = Party(*sides[:3]), Party(*sides[3:])
    transfer = StoredTransfer(
        id=transfer_id,
        kind=kind,
        from_merchant=None if source.is_outside else source.name,
        to_merchant=None if target.is_outside else target.name,
        currency=CurrencyUnit(code, exponent),
        amount_minor=int(amount),
        fee_minor=int(fee),
        total_debit_minor=int(total),
        schedule_id=schedule_id,
        schedule_version=version,
        reverses=reverses,
        external_reference=reference,
        memo=memo,
        metadata=json.loads(metadata),
        created_at=at,
    )
    return FoundTransfer(transfer, source, target, hold_for, Payer.SENDER if payer is None else Payer(payer))


TRANSFERS: Question[UUID, FoundTransfer] = Question(
    _TRANSFERS, lambda keys: [uuids(keys)], lambda rows: {cast("UUID", row[0]): _found(row) for row in rows}
)
"""A transfer by its id."""


def _entry(found: FoundTransfer, line: EntryOfTransfer) -> StoredEntry:
    transfer = found.transfer
    return StoredEntry(
        id=UUID(entry_id_text(line.account_id, line.sequence)),
        account_id=line.account_id,
        account_kind=line.account_kind,
        transfer_id=transfer.id,
        sequence=line.sequence,
        direction=line.direction,
        type=line.type,
        amount_minor=int(line.amount_minor),
        balance_after_minor=int(line.balance_after_minor),
        currency=transfer.currency,
        counterparty=counterparty(
            line.type, transfer.kind, found.source, found.target, hold_for=found.hold_for, owner_id=str(line.merchant_id)
        ),
        memo=transfer.memo,
        external_reference=transfer.external_reference,
        created_at=transfer.created_at,
    )


class TransferDetail(NamedTuple):
    """A transfer with its entries, in the order of accounts and sequences."""

    transfer: StoredTransfer
    entries: list[StoredEntry]


async def get_transfer(transfer_id: UUID, *, party: UUID | None = None) -> TransferDetail | None:
    """Return a transfer with its entries. Raises what ``ask`` does.

    With ``party``, a transfer of other merchants is None, and the entries are the party's own.
    """
    transfer, entries = ask(TRANSFERS, transfer_id), ask(ENTRIES, transfer_id)
    return _detail(*await asyncio.gather(transfer, entries), party)


def get_transfer_now(transfer_id: UUID, *, party: UUID | None = None) -> TransferDetail | None:
    """The same from synchronous code. Two round trips."""
    return _detail(ask_now(TRANSFERS, [transfer_id]).get(transfer_id), ask_now(ENTRIES, [transfer_id]).get(transfer_id), party)


def _detail(found: FoundTransfer | None, lines: list[EntryOfTransfer] | None, party: UUID | None) -> TransferDetail | None:
    if found is None or (party is not None and str(party) not in {found.source.merchant_id, found.target.merchant_id}):
        return None
    return TransferDetail(found.transfer, [_entry(found, line) for line in lines or () if party in {None, line.merchant_id}])


def _merchant(party: Party) -> MerchantIdentity | None:
    return None if party.is_outside else MerchantIdentity(UUID(party.merchant_id), party.name)


def _original(found: FoundTransfer | None) -> Original | None:
    if found is None:
        return None
    transfer = found.transfer
    return Original(
        id=transfer.id,
        kind=transfer.kind,
        source=_merchant(found.source),
        target=_merchant(found.target),
        currency=transfer.currency,
        amount_minor=transfer.amount_minor,
        fee_minor=transfer.fee_minor,
        payer=found.payer,
    )


async def find_original(transfer_id: UUID) -> Original | None:
    """Return a posted transfer that is to be reversed."""
    found = await ask(TRANSFERS, transfer_id)
    return _original(found)


def find_original_now(transfer_id: UUID) -> Original | None:
    """The same from synchronous code."""
    return _original(ask_now(TRANSFERS, [transfer_id]).get(transfer_id))
