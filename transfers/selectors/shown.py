"""How transfers, holds, accounts and entries look in an answer: plain dictionaries in the contract's words and order.

Used when an answer is written inside the posting transaction and when the same thing is read later, so both look the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from msgspec import Struct

from ledger_project.kernel.money import Currency, format_minor
from merchants.domain import MerchantIdentity, Status
from transfers.domain.facts import HoldState
from transfers.domain.ledger import AccountSnapshot, PostedTransfer
from transfers.domain.outcome import RegisteredMerchant

Json = dict[str, object]


def timestamp(moment: datetime) -> str:
    """Return RFC 3339 in UTC with microseconds, always of the same length."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def money(name: str, amount_minor: int, currency: Currency) -> Json:
    """Return an amount's twin members: the major string and the minor integer."""
    return {name: format_minor(amount_minor, currency.exponent), f"{name}_minor": amount_minor}


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


def _name(merchant: MerchantIdentity | None) -> str | None:
    return None if merchant is None else merchant.name


def posted_transfer_json(transfer: PostedTransfer) -> Json:
    """Return a transfer that was just posted."""
    details = transfer.details
    return transfer_json(
        TransferView(
            transfer.id,
            transfer.kind.value,
            _name(transfer.source),
            _name(transfer.target),
            transfer.currency,
            transfer.amount_minor,
            transfer.fee_minor,
            transfer.total_debit_minor,
            transfer.schedule_id,
            transfer.schedule_version,
            transfer.reverses,
            details.external_reference,
            details.memo,
            details.metadata,
            transfer.created_at,
        )
    )


def transfer_json(view: TransferView) -> Json:
    """Return a transfer in the contract's words."""
    exponent = view.currency.exponent
    return {
        "id": str(view.id),
        "kind": view.kind,
        "status": "posted",
        "from_merchant": view.from_merchant,
        "to_merchant": view.to_merchant,
        "currency": view.currency.code,
        "amount": format_minor(view.amount_minor, exponent),
        "amount_minor": view.amount_minor,
        "fee": format_minor(view.fee_minor, exponent),
        "fee_minor": view.fee_minor,
        "total_debit": format_minor(view.total_debit_minor, exponent),
        "total_debit_minor": view.total_debit_minor,
        "fee_schedule": None if view.schedule_id is None else {"id": str(view.schedule_id), "version": view.schedule_version},
        "reverses": None if view.reverses is None else str(view.reverses),
        "payment_id": None,  # API.md has both members; this ledger makes no payments and no exchanges yet
        "exchange_id": None,
        "external_reference": view.external_reference,
        "memo": view.memo,
        "metadata": view.metadata,
        "created_at": timestamp(view.created_at),
    }


def account_json(account: AccountSnapshot) -> Json:
    """Return a wallet with its balances, and how far below zero it may go."""
    currency = account.currency
    return {
        "id": str(account.id),
        "merchant_name": account.merchant_name,
        "currency": currency.code,
        "status": account.status.value,
        **money("balance", account.available_minor + account.held_minor, currency),
        **money("available", account.available_minor, currency),
        **money("held", account.held_minor, currency),
        **money("overdraft_limit", account.overdraft_minor, currency),
        "created_at": timestamp(account.created_at),
    }


def balance_json(account_id: UUID | None, currency: Currency, *, available_minor: int, held_minor: int) -> Json:
    """Return one row of a merchant's balances."""
    return {
        "account_id": None if account_id is None else str(account_id),
        "currency": currency.code,
        **money("balance", available_minor + held_minor, currency),
        **money("available", available_minor, currency),
        **money("held", held_minor, currency),
    }


def hold_json(hold: HoldState) -> Json:
    """Return a hold in the contract's words."""
    terms = hold.terms
    return {
        "id": str(terms.id),
        "status": hold.status.value,
        "from_merchant": terms.source.name,
        "to_merchant": terms.target.name,
        "currency": terms.currency.code,
        **money("amount", terms.amount_minor, terms.currency),
        **money("reserved", terms.reserved_minor, terms.currency),
        **money("captured", hold.captured_minor, terms.currency),
        "expires_at": timestamp(terms.expires_at),
        "transfer_id": None if hold.transfer_id is None else str(hold.transfer_id),
        "memo": terms.memo,
        "metadata": terms.metadata,
        "created_at": timestamp(terms.created_at),
    }


def entry_json(entry: EntryView, *, with_kind: bool = False) -> Json:
    """Return one line of an account; among a transfer's entries also what kind of account it is in."""
    return {
        "id": str(entry.id),
        "account_id": str(entry.account_id),
        **({"account_kind": entry.account_kind} if with_kind else {}),
        "transfer_id": str(entry.transfer_id),
        "sequence": entry.sequence,
        "direction": entry.direction,
        "type": entry.type,
        "currency": entry.currency.code,
        **money("amount", entry.amount_minor, entry.currency),
        **money("balance_after", entry.balance_after_minor, entry.currency),
        "counterparty": entry.counterparty,
        "memo": entry.memo,
        "external_reference": entry.external_reference,
        "created_at": timestamp(entry.created_at),
    }


def merchant_json(view: MerchantView) -> Json:
    """Return a merchant with its balances."""
    return {
        "id": str(view.id),
        "merchant_name": view.name,
        "display_name": view.display_name,
        "receipt_email": view.receipt_email,
        "status": view.status,
        "metadata": view.metadata,
        "created_at": timestamp(view.created_at),
        "balances": [
            balance_json(row.account_id, row.currency, available_minor=row.available_minor, held_minor=row.held_minor)
            for row in view.balances
        ],
    }


def registered_json(merchant: RegisteredMerchant, account: AccountSnapshot | None) -> Json:
    """Return a merchant that was just registered."""
    balances = []
    if account is not None:
        balances = [BalanceRow(account.id, account.currency, account.available_minor, account.held_minor)]
    return merchant_json(
        MerchantView(
            merchant.identity.id,
            merchant.identity.name,
            merchant.display_name,
            merchant.receipt_email,
            Status.ACTIVE.value,
            merchant.metadata,
            merchant.created_at,
            balances,
        )
    )
