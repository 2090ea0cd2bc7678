"""What queries return: plain values, without rows that would load lazily."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from ledger_project.kernel.money import Currency


class TransferView(Struct, frozen=True):
    """A transfer as it is shown, wherever it came from."""

    id: UUID
    kind: str
    from_merchant: str | None
    to_merchant: str | None
    currency: Currency
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


class EntryView(Struct, frozen=True):
    """One line of an account, as it is shown. ``counterparty`` is the other merchant's name; None for the outside and for fees."""

    id: UUID
    account_id: UUID
    account_kind: str
    transfer_id: UUID
    sequence: int
    direction: str
    type: str
    amount_minor: int
    balance_after_minor: int
    currency: Currency
    counterparty: str | None
    memo: str | None
    external_reference: str | None
    created_at: datetime


class BalanceRow(Struct, frozen=True):
    """What a merchant has in one currency, in minor units. ``account_id`` is None where there is no wallet yet."""

    account_id: UUID | None
    currency: Currency
    available_minor: int
    held_minor: int


class MerchantView(Struct, frozen=True):
    """A merchant with its balances."""

    id: UUID
    name: str
    display_name: str | None
    receipt_email: str | None
    status: str
    metadata: Mapping[str, object]
    created_at: datetime
    balances: list[BalanceRow]
