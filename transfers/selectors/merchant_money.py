"""What many merchants have, and when money last moved: for lists of merchants. Synchronous."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from ledger_project.database.arrays import uuids
from ledger_project.kernel.money import Money
from merchants.domain import AccountKind
from merchants.models import Merchant
from merchants.selectors import known_currency
from transfers.sql.entries import newest_entry

LOOKED_AT = 20_000
"""The most merchants whose money is compared for one list: no index has it."""

_MONEY = f"""
SELECT a.merchant_id, a.currency_id, a.kind, e.balance_after_minor, e.created_at
FROM unnest(%s::uuid[]) AS m(id) JOIN merchants_account a ON a.merchant_id = m.id AND a.kind IN ('wallet', 'held')
CROSS JOIN LATERAL ({newest_entry("balance_after_minor, created_at", account="a.id")}) e
"""

_WITH_MONEY = f"""
EXISTS (SELECT FROM merchants_account a CROSS JOIN LATERAL ({newest_entry("balance_after_minor", account="a.id")}) e
    WHERE a.merchant_id = merchants_merchant.id AND a.currency_id = %s AND a.kind IN ('wallet', 'held') AND e.balance_after_minor <> 0)
"""


class MerchantMoney(NamedTuple):
    """What a merchant has in one currency, and when its wallet there last moved.

    ``others`` is the money in further currencies, held money with it.
    """

    available: Money
    held: Money
    moved_at: datetime
    others: tuple[Money, ...]


def money_of_merchants(merchant_ids: Sequence[UUID], *, currency: str | None) -> Mapping[UUID, MerchantMoney]:
    """Return what merchants have in a currency, by their ids: by default, in the one that moved
    last. A merchant is left out if nothing of it ever moved. One round trip.
    """
    with connection.cursor() as cursor:
        cursor.execute(_MONEY, [uuids(merchant_ids)])
        rows = cursor.fetchall()
    found: dict[UUID, dict[str, dict[str, tuple[int, datetime]]]] = {}
    for merchant_id, code, kind, balance, moved_at in rows:
        found.setdefault(merchant_id, {}).setdefault(code, {})[kind] = int(balance), moved_at
    chosen = {merchant_id: _money(of_currency, currency) for merchant_id, of_currency in found.items()}
    return {merchant_id: money for merchant_id, money in chosen.items() if money is not None}


def _money(found: Mapping[str, Mapping[str, tuple[int, datetime]]], currency: str | None) -> MerchantMoney | None:
    moved = {code: max(moved_at for _, moved_at in kinds.values()) for code, kinds in found.items()}
    main = currency or max(moved, key=lambda code: (moved[code], code))
    if main not in found:
        return None

    def money(code: str, kind: AccountKind) -> Money:
        return Money(found[code].get(kind.value, (0, None))[0], known_currency(code))

    totals = {code: Money(sum(balance for balance, _ in kinds.values()), known_currency(code)) for code, kinds in sorted(found.items())}
    others = tuple(total for code, total in totals.items() if code != main and total.minor)
    newest = moved[main] if currency else max(moved.values())
    return MerchantMoney(money(main, AccountKind.WALLET), money(main, AccountKind.HELD), newest, others)


def with_money(rows: QuerySet[Merchant], currency: str) -> tuple[QuerySet[Merchant], bool]:
    """Return those of some merchants that have money in a currency, of the newest ``LOOKED_AT``;
    and whether there are older ones, which were not looked at.
    """
    newest = rows.order_by("-id").values_list("id", flat=True)
    oldest = list(newest[LOOKED_AT - 1 : LOOKED_AT + 1])
    if len(oldest) > 1:
        rows = rows.filter(id__gte=oldest[0])
    return rows.extra(where=[_WITH_MONEY], params=[currency]), len(oldest) > 1  # noqa: S610 - a text of our own
