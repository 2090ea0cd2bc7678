"""Wallets by their ids, each with what is held beside it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, cast
from uuid import UUID

from ledger_project.database.arrays import uuids
from ledger_project.database.loop_connection import Row
from ledger_project.database.reading_lane import Question, ask_now
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import AccountKind, effective_status
from merchants.models import Account
from transfers.domain.ledger import AccountSnapshot
from transfers.sql.entries import newest_entry

_ACCOUNTS = f"""
SELECT a.id, a.merchant_id, m.name, a.status, m.status, a.currency_id, c.exponent, a.overdraft_limit_minor, a.created_at,
    e.balance_after_minor, h.balance_after_minor
FROM unnest(%s::uuid[]) AS w(id)
JOIN merchants_account a ON a.id = w.id AND a.kind = 'wallet'
JOIN merchants_merchant m ON m.id = a.merchant_id
JOIN merchants_currency c ON c.code = a.currency_id
LEFT JOIN LATERAL ({newest_entry("balance_after_minor", account="a.id")}) e ON true
LEFT JOIN merchants_account b ON b.merchant_id = a.merchant_id AND b.currency_id = a.currency_id AND b.kind = 'held'
LEFT JOIN LATERAL ({newest_entry("balance_after_minor", account="b.id")}) h ON true
"""

_AccountRow = tuple[UUID, UUID, str, str, str, str, int, Decimal, datetime, Decimal | None, Decimal | None]


class OwnedAccount(NamedTuple):
    """A wallet with what is held beside it, and whose it is."""

    merchant_id: UUID
    account: AccountSnapshot


def _accounts(rows: Iterable[Row]) -> dict[UUID, OwnedAccount]:
    return {
        account_id: OwnedAccount(
            merchant_id,
            AccountSnapshot(
                id=account_id,
                merchant_name=name,
                currency=CurrencyUnit(code, exponent),
                status=effective_status(status, merchant_status),
                available_minor=int(available or 0),
                held_minor=int(held or 0),
                overdraft_minor=int(overdraft),
                created_at=created_at,
            ),
        )
        for account_id, merchant_id, name, status, merchant_status, code, exponent, overdraft, created_at, available, held in cast(
            "Iterable[_AccountRow]", rows
        )
    }


ACCOUNTS: Question[UUID, OwnedAccount] = Question(_ACCOUNTS, lambda keys: [uuids(keys)], _accounts)
"""A wallet by its id; other kinds of accounts have no answer."""


def get_account_now(account_id: UUID) -> AccountSnapshot | None:
    """Return a wallet with what is held beside it; None for other kinds of accounts.

    From synchronous code. One round trip.
    """
    found = ask_now(ACCOUNTS, [account_id]).get(account_id)
    return None if found is None else found.account


def list_wallets_now(merchant_id: UUID, *, currency: str | None = None) -> list[AccountSnapshot]:
    """Return the wallets of a merchant in the order of their currencies, or the one of a currency.

    From synchronous code. Two round trips.
    """
    wallets = Account.objects.filter(merchant_id=merchant_id, kind=AccountKind.WALLET.value).order_by("currency_id")
    ids = list((wallets if currency is None else wallets.filter(currency_id=currency)).values_list("id", flat=True))
    found = ask_now(ACCOUNTS, ids) if ids else {}
    return [found[account_id].account for account_id in ids]
