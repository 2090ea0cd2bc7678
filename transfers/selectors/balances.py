"""Balances: the last entry of an account, or the last one not after a moment. One index descent an account, however long it is."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from decimal import Decimal
from typing import cast
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import connection
from django.db.models import F, Func, OuterRef, Subquery, TextField

from ledger_project.database.clock import database_now
from ledger_project.kernel.money import Currency
from merchants.domain import AccountKind, Status, search_grams
from merchants.models import Account, Merchant, folded_name
from merchants.selectors import known_currency
from transfers.domain.ledger import AccountSnapshot
from transfers.models import LedgerEntry
from transfers.selectors.shown import BalanceRow, MerchantView

_BALANCES = """
SELECT a.merchant_id, a.currency_id, a.id, a.kind, e.balance_after_minor, e.created_at
FROM merchants_account a
LEFT JOIN LATERAL (
    SELECT l.balance_after_minor, l.created_at FROM transfers_ledgerentry l WHERE l.account_id = a.id {moment} LIMIT 1
) e ON true
WHERE a.merchant_id = ANY(%(merchants)s) AND a.kind IN ('wallet', 'held') {currency}
ORDER BY a.merchant_id, a.currency_id
"""
_NOW = "ORDER BY l.sequence DESC"
_AS_OF = "AND l.created_at <= %(at)s ORDER BY l.created_at DESC, l.sequence DESC"


_Row = tuple[UUID, str, UUID, str, "Decimal | None", "datetime | None"]


def balances_statement(*, currency: str | None, at: datetime | None) -> str:
    """Return the SQL of merchants' balances, now or as of a moment."""
    return _BALANCES.format(moment=_NOW if at is None else _AS_OF, currency="AND a.currency_id = %(currency)s" if currency else "")


def _read(merchant_ids: Collection[UUID], *, currency: str | None = None, at: datetime | None = None) -> list[_Row]:
    with connection.cursor() as cursor:
        cursor.execute(balances_statement(currency=currency, at=at), {"merchants": list(merchant_ids), "at": at, "currency": currency})
        return cast("list[_Row]", cursor.fetchall())


def _balances_of(merchant_ids: Collection[UUID], *, currency: str | None = None) -> dict[UUID, list[BalanceRow]]:
    return _by_merchant(merchant_ids, _read(merchant_ids, currency=currency))


def _by_merchant(merchant_ids: Collection[UUID], rows: Iterable[_Row]) -> dict[UUID, list[BalanceRow]]:
    amounts: dict[tuple[UUID, str], dict[str, tuple[UUID, int]]] = {}
    for merchant_id, code, account_id, kind, balance, _ in rows:
        amounts.setdefault((merchant_id, code), {})[kind] = account_id, int(balance or 0)
    balances: dict[UUID, list[BalanceRow]] = {merchant_id: [] for merchant_id in merchant_ids}
    for (merchant_id, code), kinds in amounts.items():
        wallet_id, available_minor = kinds.get(AccountKind.WALLET, (None, 0))
        _, held_minor = kinds.get(AccountKind.HELD, (None, 0))
        if wallet_id is not None:
            balances[merchant_id].append(BalanceRow(wallet_id, known_currency(code), available_minor, held_minor))
    return balances


def get_balances(merchant_id: UUID, *, currency: Currency | None, at: datetime | None) -> tuple[datetime, list[BalanceRow]]:
    """Return the moment and the balances of a merchant then: one row for each account, or exactly one for a currency.

    ``at`` includes entries of exactly that moment; without it, the moment is now by the database's clock, as entries have it, and not
    before the last of them: asking for that moment later shows at least what was shown now. Two round trips for now, one for ``at``.
    """
    as_of = at or database_now()
    read = _read([merchant_id], currency=currency.code if currency else None, at=at)
    if at is None:
        as_of = max([as_of, *(last_at for *_, last_at in read if last_at is not None)])
    rows = _by_merchant([merchant_id], read)[merchant_id]
    if currency is not None and not rows:
        rows = [BalanceRow(None, currency, 0, 0)]
    return as_of, rows


def _views(merchants: Iterable[Merchant]) -> list[MerchantView]:
    found = list(merchants)
    balances = _balances_of([merchant.id for merchant in found]) if found else {}
    return [MerchantView(m.id, m.name, m.display_name, m.receipt_email, m.status, m.metadata, m.created_at, balances[m.id]) for m in found]


def get_merchant(merchant_id: UUID) -> MerchantView:
    """Return a merchant that exists, with its balances. Two round trips."""
    return _views([Merchant.objects.get(id=merchant_id)])[0]


def list_merchants(
    *, search: str | None, status: str | None, before: UUID | None, limit: int, only: UUID | None = None
) -> list[MerchantView]:
    """Return merchants newest first, older than ``before``; ``search`` is a part of the name, regardless of case. Two round trips.

    ``only`` leaves out all merchants but one.
    """
    found = Merchant.objects.order_by("-id")
    if search:
        # The grams find candidates by their index (merchants/sql/search.sql), the text itself decides.
        grams = Func(folded_name(), function="ledger_grams", output_field=ArrayField(TextField()))
        found = found.alias(grams=grams).filter(grams__contains=search_grams(search), name__icontains=search)  # type: ignore[misc]
    if status:
        found = found.filter(status=status)
    if only is not None:
        found = found.filter(id=only)
    if before is not None:
        found = found.filter(id__lt=before)
    return _views(found[:limit])


def last_balance(account: OuterRef) -> Subquery:
    """Return the balance of the account that an outer query is at, as a part of it; null where nothing was posted yet."""
    return Subquery(LedgerEntry.objects.filter(account=account).order_by("-sequence").values("balance_after_minor")[:1])


def get_account(account_id: UUID, *, only: UUID | None = None) -> AccountSnapshot | None:
    """Return a wallet with what is held beside it; other kinds of accounts are nobody's to address. ``only``: if it is this merchant's."""
    account = (
        Account.objects.filter(id=account_id, kind=AccountKind.WALLET)
        .annotate(merchant_name=F("merchant__name"), merchant_status=F("merchant__status"))
        .first()
    )
    if account is None or only not in {None, account.merchant_id}:
        return None
    (row,) = _balances_of([account.merchant_id], currency=account.currency_id)[account.merchant_id]
    statuses = {account.status, account.merchant_status}
    status = next((s for s in (Status.CLOSED, Status.FROZEN) if s in statuses), Status.ACTIVE)
    return AccountSnapshot(
        account.id,
        account.merchant_name,
        row.currency,
        status,
        row.available_minor,
        row.held_minor,
        account.overdraft_limit_minor,
        account.created_at,
    )
