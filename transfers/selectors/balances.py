"""Balances: what an account's newest entry says, or its newest at a moment."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import connection
from django.db.models import F, Func, TextField
from msgspec import Struct

from ledger_project.database.clock import database_now
from ledger_project.database.fields import MinorUnitsField
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import AccountKind, effective_status, search_grams
from merchants.models import Account, Merchant, folded_name
from merchants.selectors import known_currency
from transfers.domain.ledger import AccountSnapshot
from transfers.sql.entries import newest_entry

_ACCOUNTS = """
SELECT a.merchant_id, a.currency_id, a.kind, a.id, e.balance_after_minor, e.created_at
FROM merchants_account a LEFT JOIN LATERAL ({newest}) e ON true
WHERE a.merchant_id = ANY(%(merchants)s) AND a.kind IN ('wallet', 'held') {currency}
ORDER BY a.merchant_id, a.currency_id
"""


class BalanceRow(Struct, frozen=True):
    """What a merchant has in one currency, in minor units.

    ``account_id`` is None where there is no wallet yet.
    """

    account_id: UUID | None
    currency: CurrencyUnit
    available_minor: int
    held_minor: int


class StoredMerchant(Struct, frozen=True):
    """A merchant as it was read, with its balances."""

    id: UUID
    name: str
    display_name: str | None
    receipt_email: str | None
    status: str
    metadata: Mapping[str, object]
    created_at: datetime
    balances: list[BalanceRow]


class _Account(NamedTuple):
    """A wallet or a held account, its newest entry's balance, and that entry's time."""

    merchant_id: UUID
    currency: str
    kind: str
    id: UUID
    balance_minor: Decimal | None
    last_at: datetime | None


def balances_statement(*, currency: str | None, at: datetime | None) -> str:
    """Return the SQL of merchants' balances, now or as of a moment."""
    return _ACCOUNTS.format(
        newest=newest_entry("balance_after_minor, created_at", account="a.id", until="" if at is None else "<= %(at)s"),
        currency="AND a.currency_id = %(currency)s" if currency else "",
    )


def _read(merchant_ids: Collection[UUID], *, currency: str | None = None, at: datetime | None = None) -> list[_Account]:
    with connection.cursor() as cursor:
        cursor.execute(balances_statement(currency=currency, at=at), {"merchants": list(merchant_ids), "at": at, "currency": currency})
        return [_Account(*row) for row in cursor.fetchall()]


def _pair(accounts: Collection[_Account]) -> Iterator[tuple[UUID, BalanceRow]]:
    """Yield each wallet with what the held account beside it has, and whose it is.

    SQL could pair them too, but then planning and aggregating take the database half as long again
    for each balance.
    """
    held = {(a.merchant_id, a.currency): int(a.balance_minor or 0) for a in accounts if a.kind == AccountKind.HELD}
    for a in accounts:
        if a.kind == AccountKind.WALLET:
            held_minor = held.get((a.merchant_id, a.currency), 0)
            yield a.merchant_id, BalanceRow(a.id, known_currency(a.currency), int(a.balance_minor or 0), held_minor)


def get_balances(merchant_id: UUID, *, currency: CurrencyUnit | None, at: datetime | None) -> tuple[datetime, list[BalanceRow]]:
    """Return the moment and the balances of a merchant then.

    There is one row for each wallet, or exactly one for a currency.

    ``at`` includes entries of exactly that moment. Without it the moment is now by the database's
    clock, and not before the newest entry: who asks for that moment later sees at least what was
    shown now. Two round trips for now, one for ``at``.
    """
    as_of = at or database_now()
    read = _read([merchant_id], currency=currency.code if currency else None, at=at)
    if at is None:
        as_of = max([as_of, *(row.last_at for row in read if row.last_at is not None)])
    rows = [row for _, row in _pair(read)]
    if currency is not None and not rows:
        rows = [BalanceRow(None, currency, 0, 0)]
    return as_of, rows


def _with_balances(merchants: Iterable[Merchant]) -> list[StoredMerchant]:
    found = list(merchants)
    balances: dict[UUID, list[BalanceRow]] = {merchant.id: [] for merchant in found}
    for merchant_id, row in _pair(_read(balances)) if found else ():
        balances[merchant_id].append(row)
    return [
        StoredMerchant(
            id=merchant.id,
            name=merchant.name,
            display_name=merchant.display_name,
            receipt_email=merchant.receipt_email,
            status=merchant.status,
            metadata=merchant.metadata,
            created_at=merchant.created_at,
            balances=balances[merchant.id],
        )
        for merchant in found
    ]


def get_merchant(merchant_id: UUID) -> StoredMerchant:
    """Return a merchant that exists, with its balances. Two round trips."""
    return _with_balances([Merchant.objects.get(id=merchant_id)])[0]


def list_merchants(
    *, search: str | None, status: str | None, before: UUID | None, limit: int, only: UUID | None = None
) -> list[StoredMerchant]:
    """Return merchants newest first, older than ``before``. Two round trips.

    ``search`` is a part of the name, regardless of case.
    ``only`` leaves out all merchants but one.
    """
    found = Merchant.objects.order_by("-id")
    if search:
        # The grams find candidates by their index (merchants/sql/search.sql), the text itself
        # decides.
        grams = Func(folded_name(), function="ledger_grams", output_field=ArrayField(TextField()))
        found = found.alias(grams=grams).filter(grams__contains=search_grams(search), name__icontains=search)  # type: ignore[misc]  # the stubs know no aliases
    if status:
        found = found.filter(status=status)
    if only is not None:
        found = found.filter(id=only)
    if before is not None:
        found = found.filter(id__lt=before)
    return _with_balances(found[:limit])


def last_balance(account: F) -> Func:
    """Return the balance of a query's account as an expression; null if nothing was posted yet."""
    return Func(account, template=f"({newest_entry('balance_after_minor', account='%(expressions)s')})", output_field=MinorUnitsField())


def get_account(account_id: UUID, *, only: UUID | None = None) -> AccountSnapshot | None:
    """Return a wallet with what is held beside it; None for other kinds of accounts.

    With ``only``, None for a wallet of another merchant too.
    """
    account = (
        Account.objects.filter(id=account_id, kind=AccountKind.WALLET)
        .annotate(merchant_name=F("merchant__name"), merchant_status=F("merchant__status"))
        .first()
    )
    if account is None or only not in {None, account.merchant_id}:
        return None
    ((_, row),) = _pair(_read([account.merchant_id], currency=account.currency_id))
    return AccountSnapshot(
        account.id,
        account.merchant_name,
        row.currency,
        effective_status(account.status, account.merchant_status),
        row.available_minor,
        row.held_minor,
        account.overdraft_limit_minor,
        account.created_at,
    )
