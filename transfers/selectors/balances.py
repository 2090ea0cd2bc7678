"""Balances: what an account's newest entry says, or its newest at a moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, cast
from uuid import UUID

from django.db import connection
from django.db.models import DateTimeField, F, Func
from msgspec import Struct

from ledger_project.database.arrays import quoted, uuids
from ledger_project.database.fields import MinorUnitsField
from ledger_project.database.loop_connection import Row
from ledger_project.database.reading_lane import Question, ask, ask_now
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import AccountKind
from transfers.domain.outcome import required
from transfers.sql.entries import newest_entry


class BalanceRow(Struct, frozen=True):
    """What a merchant has in one currency, in minor units.

    ``account_id`` is None where there is no wallet yet.
    """

    account_id: UUID | None
    currency: CurrencyUnit
    available_minor: int
    held_minor: int


class Balances(NamedTuple):
    """A merchant's balances, and their moment.

    There is one row for each wallet, or exactly one for a currency.
    """

    as_of: datetime
    rows: list[BalanceRow]


_ROWS = """
SELECT w.merchant_id, w.currency, {moment}, a.currency_id, c.exponent, a.kind, a.id, e.balance_after_minor, e.created_at
FROM {wanted}
LEFT JOIN merchants_account a ON a.merchant_id = w.merchant_id AND a.kind IN ('wallet', 'held')
    AND (w.currency IS NULL OR a.currency_id = w.currency)
LEFT JOIN merchants_currency c ON c.code = a.currency_id
LEFT JOIN LATERAL ({newest}) e ON true
ORDER BY w.merchant_id, a.currency_id
"""
"""A row for each wallet and held account that was asked for, or one without an account."""

_COLUMNS = "balance_after_minor, created_at"
_NOW = _ROWS.format(
    moment="statement_timestamp()",
    wanted="unnest(%s::uuid[], %s::text[]) AS w(merchant_id, currency)",
    newest=newest_entry(_COLUMNS, account="a.id"),
)
_AT = _ROWS.format(
    moment="w.moment",
    wanted="unnest(%s::uuid[], %s::text[], %s::timestamptz[]) AS w(merchant_id, currency, moment)",
    newest=newest_entry(_COLUMNS, account="a.id", until="<= w.moment"),
)
_OVER_TIME = _ROWS.format(
    moment="w.moment",
    wanted="(SELECT %s::uuid AS merchant_id, %s::text AS currency, moment FROM unnest(%s::timestamptz[]) AS m(moment)) AS w",
    newest=newest_entry(_COLUMNS, account="a.id", until="<= w.moment"),
)
"""One wallet at many moments: it is looked up once. (With a row for each moment, as in ``_AT``, the
planner may scan all accounts.)"""

_Row = tuple[UUID, str | None, datetime, str | None, int, str, UUID, Decimal | None, datetime | None]
_Asked = tuple[UUID, str | None, datetime]
_WALLET = AccountKind.WALLET.value


def _by_asked(rows: Iterable[Row]) -> dict[_Asked, Balances]:
    """Return the balances by merchant, currency that was asked for (None: all), and moment.

    A wallet and the held account beside it are paired here: in SQL, planning and aggregating take
    the database half as long again for each balance. The moment is not before the newest entry: who
    asks for that moment later sees at least what was shown now.
    """
    wallets: dict[_Asked, list[tuple[UUID, CurrencyUnit, int]]] = {}
    held: dict[tuple[_Asked, str], int] = {}
    newest: dict[_Asked, datetime] = {}
    for merchant_id, currency, moment, code, exponent, kind, account_id, balance, last_at in cast("Iterable[_Row]", rows):
        asked = merchant_id, currency, moment
        found = wallets.setdefault(asked, [])
        if last_at is not None and last_at > newest.get(asked, moment):
            newest[asked] = last_at
        if code is not None:
            balance_minor = 0 if balance is None else int(balance)
            if kind == _WALLET:
                found.append((account_id, CurrencyUnit(code, exponent), balance_minor))
            else:
                held[asked, code] = balance_minor
    return {
        asked: Balances(
            newest.get(asked, asked[2]),
            [BalanceRow(account_id, unit, balance, held.get((asked, unit.code), 0)) for account_id, unit, balance in found],
        )
        for asked, found in wallets.items()
    }


BALANCES: Question[tuple[UUID, str | None], Balances] = Question(
    _NOW,
    lambda keys: [uuids(merchant_id for merchant_id, _ in keys), quoted(currency for _, currency in keys)],
    lambda rows: {asked[:2]: found for asked, found in _by_asked(rows).items()},
)
"""The balances of a merchant in all currencies, or in one."""

BALANCES_AT: Question[_Asked, Balances] = Question(
    _AT,
    lambda keys: [
        uuids(merchant_id for merchant_id, _, _ in keys),
        quoted(currency for _, currency, _ in keys),
        quoted(moment.isoformat() for _, _, moment in keys),
    ],
    _by_asked,
)
"""The same as of a moment, entries of exactly that moment included."""


def _complete(found: Balances, currency: CurrencyUnit | None) -> Balances:
    """Return the balances with a row of zero for a currency that was asked for and never held."""
    if currency is None or found.rows:
        return found
    return Balances(found.as_of, [BalanceRow(None, currency, 0, 0)])


async def get_balances(merchant_id: UUID, *, currency: CurrencyUnit | None, at: datetime | None) -> Balances:
    """Return a merchant's balances, now or as of a moment. Raises what ``ask`` does."""
    code = None if currency is None else currency.code
    if at is None:
        found = await ask(BALANCES, (merchant_id, code))
    else:
        found = await ask(BALANCES_AT, (merchant_id, code, at))
    return _complete(required(found), currency)


def get_balances_now(merchant_id: UUID, *, currency: CurrencyUnit | None, at: datetime | None) -> Balances:
    """The same from synchronous code. One round trip."""
    code = None if currency is None else currency.code
    if at is None:
        found = ask_now(BALANCES, [(merchant_id, code)])[merchant_id, code]
    else:
        (found,) = ask_now(BALANCES_AT, [(merchant_id, code, at)]).values()
    return _complete(found, currency)


def get_balances_over_time_now(
    merchant_id: UUID, *, currency: CurrencyUnit, moments: Sequence[datetime]
) -> list[tuple[datetime, Balances]]:
    """Return a merchant's balance in a currency at each of these moments, in their order.

    From synchronous code. One round trip.
    """
    with connection.cursor() as cursor:
        cursor.execute(_OVER_TIME, [merchant_id, currency.code, list(moments)])
        found = _by_asked(cursor.fetchall())
    return [(moment, _complete(found[merchant_id, currency.code, moment], currency)) for moment in moments]


def balance_at(account: F, moment: datetime) -> Func:
    """Return the balance of a query's account as of a moment, entries of exactly that moment
    included, as an expression; null if nothing was posted until then.
    """
    until = f"<= '{moment.isoformat()}'"
    newest = newest_entry("balance_after_minor", account="%(expressions)s", until=until)
    return Func(account, template=f"({newest})", output_field=MinorUnitsField())


def last_balance(account: F) -> Func:
    """Return the balance of a query's account as an expression; null if nothing was posted yet."""
    return Func(account, template=f"({newest_entry('balance_after_minor', account='%(expressions)s')})", output_field=MinorUnitsField())


def last_posted_at(account: F) -> Func:
    """Return when something was last posted to a query's account; null if nothing was yet."""
    return Func(account, template=f"({newest_entry('created_at', account='%(expressions)s')})", output_field=DateTimeField())
