"""The summary that the dashboard and the API show: daily figures of one currency over some days.

No currency is summed with another. Figures of days are as fresh as ``as_of``; open holds and the
last reconciliation are those of now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from ledger_project.kernel.errors import UnknownCurrency
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import TREASURY, AccountKind
from merchants.models import Merchant
from merchants.selectors import find_currency_now
from transfers.domain.kinds import TransferKind
from transfers.figures.periods import resolve_period
from transfers.figures.refresh import refresh_figures
from transfers.models import FiguresMark, ReconciliationRun
from transfers.reconciliation.run import LastReconciliation, last_reconciliation
from transfers.selectors.balances import get_balances_now, get_balances_over_time_now

_TOP_MERCHANTS = 8
_FALLBACK = "USD"
"""The currency that is shown where nothing was posted yet."""

INTERNAL_KINDS = (TransferKind.HOLD.value, TransferKind.HOLD_RELEASE.value, TransferKind.FEE_SETTLEMENT.value)
"""Kinds that move money within one merchant or to the platform.

They are shown by themselves; the days' sums leave them out.
"""

_CURRENCIES = "SELECT currency FROM transfers_dailyactivity WHERE day >= %(first)s GROUP BY currency ORDER BY sum(transfers) DESC, currency"

_KINDS = """
SELECT kind, sum(transfers), sum(volume_minor), sum(fees_minor), sum(fee_refunds_minor) FROM transfers_dailyactivity
WHERE currency = %(currency)s AND day BETWEEN %(first)s AND %(last)s GROUP BY kind ORDER BY sum(volume_minor) DESC, kind
"""

_DAYS = """
SELECT day, coalesce(sum(transfers) FILTER (WHERE kind <> ALL(%(internal)s)), 0),
    coalesce(sum(volume_minor) FILTER (WHERE kind <> ALL(%(internal)s)), 0), sum(fees_minor - fee_refunds_minor)
FROM transfers_dailyactivity WHERE currency = %(currency)s AND day BETWEEN %(first)s AND %(last)s GROUP BY day ORDER BY day
"""

_VALUES = """
SELECT greatest(day, %(first)s::date - 1), account_kind, sum(change_minor) FROM transfers_dailyvalue
WHERE currency = %(currency)s AND day <= %(last)s AND account_kind <> 'external' GROUP BY 1, 2 ORDER BY 1
"""

_REFUSALS = """
SELECT code, currency, sum(refusals) FROM transfers_dailyrefusals
WHERE currency IN (%(currency)s, '') AND day BETWEEN %(first)s AND %(last)s GROUP BY code, currency ORDER BY 3 DESC, code
"""

_TOP = """
SELECT m.id, m.name, d.entries, d.sent, d.received FROM (
    SELECT merchant_id, sum(entries) AS entries, sum(sent_minor) AS sent, sum(received_minor) AS received FROM transfers_dailymerchant
    WHERE currency = %(currency)s AND day BETWEEN %(first)s AND %(last)s
    GROUP BY merchant_id ORDER BY sum(sent_minor) + sum(received_minor) DESC LIMIT %(limit)s
) d JOIN merchants_merchant m ON m.id = d.merchant_id ORDER BY d.sent + d.received DESC
"""

_OPEN_HOLDS = "SELECT count(*), coalesce(sum(reserved_minor), 0) FROM transfers_hold WHERE currency_id = %(currency)s AND status = 'open'"


@dataclass(frozen=True, slots=True)
class KindFigures:
    """What was posted of one kind."""

    kind: str
    transfers: int
    volume_minor: int
    fees_minor: int
    fee_refunds_minor: int


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One day: transfers and volume without internal moves, fee income, and value at its end."""

    day: date
    transfers: int
    volume_minor: int
    fee_income_minor: int
    value_minor: int


@dataclass(frozen=True, slots=True)
class RefusalFigures:
    """How often postings were refused by a code.

    ``currency`` is None if the requests named none that exists.
    """

    code: str
    currency: str | None
    refusals: int


@dataclass(frozen=True, slots=True)
class MerchantFigures:
    """What a merchant moved, without money put aside for holds."""

    id: UUID
    name: str
    entries: int
    sent_minor: int
    received_minor: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of one currency from the ``first`` day to the ``last``.

    Value is what merchants had at the period's end, without the treasury, which is the platform's
    own. ``fees_unswept_minor`` is in the fee accounts.
    """

    currency: CurrencyUnit
    first: date
    last: date
    as_of: datetime
    refreshed_at: datetime
    available_minor: int
    held_minor: int
    treasury_minor: int
    fees_unswept_minor: int
    kinds: list[KindFigures]
    days: list[DayFigures]
    refusals: list[RefusalFigures]
    top_merchants: list[MerchantFigures]
    open_holds: int
    open_holds_minor: int
    reconciliation: LastReconciliation | None
    whole_reconciliation: LastReconciliation | None
    incremental_reconciliation: LastReconciliation | None

    def end_of(self, day: date) -> datetime:
        """Return the last microsecond that the figures until a day's end contain."""
        return _day_end(day, self.as_of)

    @property
    def value_minor(self) -> int:
        """Spendable and held."""
        return self.available_minor + self.held_minor

    @property
    def fees_minor(self) -> int:
        """Charged in the period."""
        return sum(kind.fees_minor for kind in self.kinds)

    @property
    def fee_refunds_minor(self) -> int:
        """Given back in the period."""
        return sum(kind.fee_refunds_minor for kind in self.kinds)


def read_summary(code: str | None, first: date | None, last: date | None) -> Summary:
    """Return the figures of a currency, by default of the busiest one of the period. Synchronous.

    It takes one step of a refresh first. A running service has refreshed a moment ago, so one step
    is enough; a long history that was never summed up takes many, and a page does not wait for
    them. Raises ``ValidationFailed`` and ``UnknownCurrency``.
    """
    first, last = resolve_period(first, last)
    refresh_figures(steps=1)
    in_use = currencies_in_use(first)
    chosen = code or (in_use[0] if in_use else _FALLBACK)
    currency = find_currency_now(chosen)
    if currency is None:
        raise UnknownCurrency(chosen)
    return _summary(currency, first=first, last=last)


def treasury_by_day(summary: Summary) -> list[int]:
    """Return what the treasury had at the end of each day, in minor units. One round trip."""
    moments = [summary.end_of(day.day) for day in summary.days]
    treasury = Merchant.objects.filter(name__iexact=TREASURY).values_list("id", flat=True).first()
    if treasury is None:
        return [0] * len(moments)
    found = get_balances_over_time_now(treasury, currency=summary.currency, moments=moments)
    return [sum(row.available_minor + row.held_minor for row in balances.rows) for _, balances in found]


def currencies_in_use(since: date) -> list[str]:
    """Return the currencies in which anything was posted since a day, the busiest first."""
    return [row[0] for row in _rows(_CURRENCIES, {"first": since})]


def _rows(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _day_end(day: date, as_of: datetime) -> datetime:
    """Return the last microsecond that the figures until a day's end contain."""
    return min(datetime.combine(day + timedelta(days=1), time(), UTC), as_of) - timedelta(microseconds=1)


def _treasury_minor(currency: CurrencyUnit, at: datetime) -> tuple[int, int]:
    treasury = Merchant.objects.filter(name__iexact=TREASURY).values_list("id", flat=True).first()
    if treasury is None:
        return 0, 0
    (row,) = get_balances_now(treasury, currency=currency, at=at)[1]
    return row.available_minor, row.held_minor


def _values(parameters: dict[str, Any]) -> dict[date, dict[str, int]]:
    """Return by day what there was in accounts of each kind at its end.

    The first of these days is the one before the period.
    """
    changes: dict[date, dict[str, int]] = {}
    for day, kind, change in _rows(_VALUES, parameters):
        changes.setdefault(day, {})[kind] = int(change)
    running = dict.fromkeys((kind.value for kind in AccountKind), 0)
    values: dict[date, dict[str, int]] = {}
    day = parameters["first"] - timedelta(days=1)
    while day <= parameters["last"]:
        for kind, change in changes.get(day, {}).items():
            running[kind] += change
        values[day] = dict(running)
        day += timedelta(days=1)
    return values


def _days(parameters: dict[str, Any], values: dict[date, dict[str, int]]) -> list[DayFigures]:
    rows = _rows(_DAYS, {**parameters, "internal": list(INTERNAL_KINDS)})
    posted = {day: (int(transfers), int(volume), int(income)) for day, transfers, volume, income in rows}
    found = []
    for day, kinds in values.items():
        if day >= parameters["first"]:
            transfers, volume_minor, income_minor = posted.get(day, (0, 0, 0))
            found.append(DayFigures(day, transfers, volume_minor, income_minor, kinds[AccountKind.WALLET] + kinds[AccountKind.HELD]))
    return found


def _summary(currency: CurrencyUnit, *, first: date, last: date) -> Summary:
    """Return the figures of a currency over days. A few look-ups, however long the ledger is."""
    mark = FiguresMark.objects.get()
    parameters: dict[str, Any] = {"currency": currency.code, "first": first, "last": last}
    values = _values(parameters)
    at_end = values[last]
    own_available, own_held = _treasury_minor(currency, _day_end(last, mark.rolled_until))
    ((open_holds, reserved),) = _rows(_OPEN_HOLDS, parameters)
    return Summary(
        currency=currency,
        first=first,
        last=last,
        as_of=mark.rolled_until,
        refreshed_at=mark.refreshed_at,
        available_minor=at_end[AccountKind.WALLET] - own_available,
        held_minor=at_end[AccountKind.HELD] - own_held,
        treasury_minor=own_available + own_held,
        fees_unswept_minor=at_end[AccountKind.FEES],
        kinds=[KindFigures(kind, *(int(figure) for figure in figures)) for kind, *figures in _rows(_KINDS, parameters)],
        days=_days(parameters, values),
        refusals=[RefusalFigures(code, code_currency or None, int(n)) for code, code_currency, n in _rows(_REFUSALS, parameters)],
        top_merchants=[
            MerchantFigures(merchant_id, name, int(entries), int(sent), int(received))
            for merchant_id, name, entries, sent, received in _rows(_TOP, {**parameters, "limit": _TOP_MERCHANTS})
        ],
        open_holds=open_holds,
        open_holds_minor=int(reserved),
        reconciliation=last_reconciliation(),
        whole_reconciliation=last_reconciliation(ReconciliationRun.Kind.WHOLE),
        incremental_reconciliation=last_reconciliation(ReconciliationRun.Kind.INCREMENTAL),
    )
