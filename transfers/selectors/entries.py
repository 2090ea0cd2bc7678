"""Entries: the lines of an account or of a transfer, each with its counterparty."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, cast
from uuid import NAMESPACE_OID, UUID

import uuid_utils
from msgspec import Struct

from ledger_project.database.arrays import uuids
from ledger_project.database.loop_connection import Row
from ledger_project.database.reading_lane import Question
from ledger_project.kernel.money import CurrencyUnit
from merchants.selectors import Party
from transfers.domain.kinds import EntryType, TransferKind


class StoredEntry(Struct, frozen=True):
    """One line of an account as it was read. ``counterparty`` is a merchant's name."""

    id: UUID
    account_id: UUID
    account_kind: str
    transfer_id: UUID
    sequence: int
    direction: str
    type: str
    amount_minor: int
    balance_after_minor: int
    currency: CurrencyUnit
    counterparty: str | None
    memo: str | None
    external_reference: str | None
    created_at: datetime


_NAMESPACE = uuid_utils.UUID(int=NAMESPACE_OID.int)


def entry_id_text(account_id: UUID | str, sequence: int) -> str:
    """Return the stable id of an entry in the API, as text.

    It is a name-based UUID (RFC 9562, version 5) of the entry's account and sequence.
    """
    return str(uuid_utils.uuid5(_NAMESPACE, f"{account_id}:{sequence}"))


def counterparty(entry_type: str, kind: str, source: Party, target: Party, *, hold_for: str | None, owner_id: str) -> str | None:
    """Return the counterparty of a line: the merchant on the other side of its transfer.

    ``entry_type`` and ``owner_id`` are the line's type and its account's merchant, as text; all
    else is the transfer's. Fees and the outside have no counterparty. For a hold it is the merchant
    that the money is reserved for, though in the journal the money stays with its owner.
    """
    if entry_type in _WITHOUT_COUNTERPARTY or source.is_outside or target.is_outside:
        return None
    if kind in _RESERVING:
        return hold_for
    return target.name if source.merchant_id == owner_id else source.name


_WITHOUT_COUNTERPARTY = frozenset({EntryType.FEE.value, EntryType.FEE_REFUND.value})
_RESERVING = frozenset({TransferKind.HOLD.value, TransferKind.HOLD_RELEASE.value})


class EntryOfTransfer(NamedTuple):
    """One of a transfer's entries as it is read: its account, whose that is, and the line."""

    account_id: UUID
    account_kind: str
    merchant_id: UUID
    sequence: int
    direction: str
    type: str
    amount_minor: Decimal
    balance_after_minor: Decimal


_OF_TRANSFERS = """
SELECT w.id, e.account_id, a.kind, a.merchant_id, e.sequence, e.direction, e.type, e.amount_minor, e.balance_after_minor
FROM unnest(%s::uuid[]) AS w(id)
JOIN transfers_ledgerentry e ON e.transfer_id = w.id
CROSS JOIN LATERAL (SELECT kind, merchant_id FROM merchants_account WHERE id = e.account_id OFFSET 0) a
ORDER BY e.account_id, e.sequence
"""


def _by_transfer(rows: Iterable[Row]) -> dict[UUID, list[EntryOfTransfer]]:
    found: dict[UUID, list[EntryOfTransfer]] = {}
    for transfer_id, *line in rows:
        found.setdefault(cast("UUID", transfer_id), []).append(EntryOfTransfer(*cast("Any", line)))
    return found


ENTRIES: Question[UUID, list[EntryOfTransfer]] = Question(_OF_TRANSFERS, lambda keys: [uuids(keys)], _by_transfer)
"""The entries of a transfer, in the order of accounts and sequences."""
