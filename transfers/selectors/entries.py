"""Entries: the lines of an account or of a transfer, each with its counterparty."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import NAMESPACE_OID, UUID

import uuid_utils
from django.db import connection
from msgspec import Struct

from ledger_project.kernel.money import CurrencyUnit

_ENTRIES = """
SELECT e.account_id, e.account_kind, e.transfer_id, e.sequence, e.direction, e.type, e.amount_minor, e.balance_after_minor,
    CASE WHEN e.type IN ('fee', 'fee_refund') OR 'external' IN (s.kind, g.kind) THEN NULL
         WHEN t.kind IN ('hold', 'hold_release') THEN hm.name
         WHEN s.merchant_id = e.merchant_id THEN gm.name ELSE sm.name END,
    t.memo, t.external_reference, e.created_at
FROM ({entries}) e
JOIN transfers_transfer t ON t.id = e.transfer_id
JOIN merchants_account s ON s.id = t.source_id JOIN merchants_merchant sm ON sm.id = s.merchant_id
JOIN merchants_account g ON g.id = t.target_id JOIN merchants_merchant gm ON gm.id = g.merchant_id
LEFT JOIN transfers_hold h ON h.id = t.hold_id LEFT JOIN merchants_merchant hm ON hm.id = h.target_merchant_id
ORDER BY {order}
"""
"""The counterparty of an entry is the merchant on the other side of its transfer.

Fees and the outside have none. For a hold it is the merchant that the money is reserved for, though
in the journal the money stays with its owner.
"""


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


def read_entries(entries: str, parameters: dict[str, Any], *, order: str, currency: CurrencyUnit) -> list[StoredEntry]:
    """Return entries of one currency. One round trip.

    ``entries`` is a query of rows of ``transfers_ledgerentry`` with two more columns of the entry's
    account: ``account_kind`` and ``merchant_id``.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ENTRIES.format(entries=entries, order=order), parameters)
        rows = cursor.fetchall()
    return [
        StoredEntry(
            id=UUID(entry_id_text(account_id, sequence)),
            account_id=account_id,
            account_kind=account_kind,
            transfer_id=transfer_id,
            sequence=sequence,
            direction=direction,
            type=type_,
            amount_minor=int(amount),
            balance_after_minor=int(balance),
            currency=currency,
            counterparty=counterparty,
            memo=memo,
            external_reference=reference,
            created_at=at,
        )
        for account_id, account_kind, transfer_id, sequence, direction, type_, amount, balance, counterparty, memo, reference, at in rows
    ]
