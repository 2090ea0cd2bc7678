"""Transfers: one transfer with its entries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from msgspec import Struct

from fees.domain import Payer
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import AccountKind, MerchantIdentity
from merchants.selectors import known_currency
from transfers.domain.commands import Original
from transfers.models import Transfer
from transfers.selectors.entries import StoredEntry, read_entries

_COLUMNS = """
SELECT t.id, t.kind, CASE WHEN s.kind = 'external' THEN NULL ELSE s.name END, CASE WHEN g.kind = 'external' THEN NULL ELSE g.name END,
    t.currency_id, t.amount_minor, t.fee_minor, t.total_debit_minor, t.fee_schedule_id, f.version, t.reverses_id,
    t.external_reference, t.memo, t.metadata::text, t.created_at
FROM transfers_transfer t
CROSS JOIN LATERAL (SELECT a.kind, a.merchant_id, m.name FROM merchants_account a JOIN merchants_merchant m ON m.id = a.merchant_id
    WHERE a.id = t.source_id OFFSET 0) s
CROSS JOIN LATERAL (SELECT a.kind, a.merchant_id, m.name FROM merchants_account a JOIN merchants_merchant m ON m.id = a.merchant_id
    WHERE a.id = t.target_id OFFSET 0) g
LEFT JOIN fees_feeschedule f ON f.id = t.fee_schedule_id
"""

_ENTRIES_OF = """
SELECT l.*, a.kind AS account_kind, a.merchant_id FROM transfers_ledgerentry l JOIN merchants_account a ON a.id = l.account_id
WHERE l.transfer_id = %(transfer)s {own}
"""


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


def _stored(row: tuple[Any, ...]) -> StoredTransfer:
    (transfer_id, kind, source, target, code, amount, fee, total, schedule_id, version, reverses, reference, memo, metadata, at) = row
    return StoredTransfer(
        id=transfer_id,
        kind=kind,
        from_merchant=source,
        to_merchant=target,
        currency=known_currency(code),
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


def get_transfer(transfer_id: UUID, *, party: UUID | None = None) -> tuple[StoredTransfer, list[StoredEntry]] | None:
    """Return a transfer with its entries. Two round trips.

    With ``party``, a transfer of other merchants is None, and the entries are the party's own.
    """
    statement = _COLUMNS + " WHERE t.id = %(id)s"
    if party is not None:
        statement += " AND %(party)s IN (s.merchant_id, g.merchant_id)"
    with connection.cursor() as cursor:
        cursor.execute(statement, {"id": transfer_id, "party": party})
        row = cursor.fetchone()
    if row is None:
        return None
    found = _stored(row)
    own = "" if party is None else "AND a.merchant_id = %(party)s"
    parameters = {"transfer": transfer_id, "party": party}
    return found, read_entries(_ENTRIES_OF.format(own=own), parameters, order="e.account_id, e.sequence", currency=found.currency)


def find_original(transfer_id: UUID) -> Original | None:
    """Return a posted transfer that is to be reversed."""
    transfer = Transfer.objects.select_related("source__merchant", "target__merchant", "fee_schedule").filter(id=transfer_id).first()
    if transfer is None:
        return None
    source, target = (
        None if account.kind == AccountKind.EXTERNAL else MerchantIdentity(account.merchant_id, account.merchant.name)
        for account in (transfer.source, transfer.target)
    )
    return Original(
        id=transfer.id,
        kind=transfer.kind,
        source=source,
        target=target,
        currency=known_currency(transfer.currency_id),
        amount_minor=transfer.amount_minor,
        fee_minor=transfer.fee_minor,
        payer=Payer.SENDER if transfer.fee_schedule is None else Payer(transfer.fee_schedule.payer),
    )
