"""Receipts: the parties of a transfer, with their places in the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import NamedTuple, cast
from uuid import UUID

from events.domain.receipts import WITHOUT_RECEIPT, Party, Side
from ledger_project.database.arrays import uuids
from ledger_project.database.loop_connection import Row
from ledger_project.database.reading_lane import Question, ask, ask_now
from ledger_project.kernel.actors import Actor
from transfers.selectors import visible_transfer
from transfers.selectors.transfers import StoredTransfer, TransferDetail, get_transfer_now

_PARTIES = """
SELECT w.id, s.side, a.merchant_id, m.name, a.id, e.sequence, e.hash
FROM unnest(%s::uuid[]) AS w(id)
JOIN transfers_transfer t ON t.id = w.id
CROSS JOIN LATERAL (VALUES (1, t.source_id), (2, t.target_id)) AS s(side, account_id)
CROSS JOIN LATERAL (SELECT id, merchant_id FROM merchants_account WHERE id = s.account_id AND kind = 'wallet' OFFSET 0) a
CROSS JOIN LATERAL (SELECT name FROM merchants_merchant WHERE id = a.merchant_id OFFSET 0) m
CROSS JOIN LATERAL (
    SELECT l.sequence, l.hash
    FROM transfers_ledgerentry l
    CROSS JOIN LATERAL (SELECT kind, merchant_id FROM merchants_account WHERE id = l.account_id OFFSET 0) o
    WHERE l.transfer_id = t.id AND o.merchant_id = a.merchant_id AND (l.account_id = a.id OR o.kind = 'held')
    ORDER BY l.account_id = a.id DESC, l.sequence DESC LIMIT 1) e
ORDER BY s.side
"""


def _by_transfer(rows: Iterable[Row]) -> Mapping[UUID, list[Party]]:
    found: dict[UUID, list[Party]] = {}
    for transfer_id, side, *party, entry_hash in cast("Iterable[tuple[UUID, int, UUID, str, UUID, int, bytes]]", rows):
        merchant_id, name, account_id, sequence = cast("tuple[UUID, str, UUID, int]", tuple(party))
        made = Party(Side(side), merchant_id, name, account_id, sequence, bytes(entry_hash))
        found.setdefault(transfer_id, []).append(made)
    return found


PARTIES: Question[UUID, list[Party]] = Question(_PARTIES, lambda keys: [uuids(keys)], _by_transfer)
"""The parties of a transfer, who paid before who received."""


class Receipts(NamedTuple):
    """A transfer, and those of its parties that have a receipt. Holds and their ends have none."""

    transfer: StoredTransfer
    parties: list[Party]


def _with_receipts(transfer: StoredTransfer, parties: list[Party] | None) -> Receipts:
    return Receipts(transfer, [] if transfer.kind in WITHOUT_RECEIPT else parties or [])


async def visible_receipts(transfer_id: UUID, *, actor: Actor) -> Receipts | None:
    """Return a transfer of the caller, with the parties whose receipts it may see.

    A merchant sees its own. None for a transfer that it neither sent nor received.
    """
    transfer, parties = visible_transfer(transfer_id, actor=actor), ask(PARTIES, transfer_id)
    return _visible(*await asyncio.gather(transfer, parties), actor)


def visible_receipts_now(transfer_id: UUID, *, actor: Actor) -> Receipts | None:
    """The same from synchronous code. Three round trips."""
    return _visible(get_transfer_now(transfer_id, party=actor.merchant_id), ask_now(PARTIES, [transfer_id]).get(transfer_id), actor)


def _visible(detail: TransferDetail | None, found: list[Party] | None, actor: Actor) -> Receipts | None:
    if detail is None:
        return None
    return _with_receipts(detail.transfer, [party for party in found or () if actor.acts_for(party.merchant_id)])


def get_receipts_now(transfer_id: UUID) -> Receipts | None:
    """Return a transfer with all its parties, from synchronous code. Three round trips."""
    detail = get_transfer_now(transfer_id)
    return None if detail is None else _with_receipts(detail.transfer, list(ask_now(PARTIES, [transfer_id]).get(transfer_id, ())))
