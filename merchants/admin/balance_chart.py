"""The chart of a merchant's balance over some days, on its page."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.http import HttpRequest

from console.amounts import shown
from console.charts import Sparkline, line_chart
from console.merchant_panels import moved_wallets
from console.panels import Cell, Filter, Panel
from ledger_project.database.clock import database_now
from ledger_project.kernel.money import CurrencyUnit
from merchants.models import Merchant
from merchants.selectors import known_currency
from transfers.selectors.balances import get_balances_over_time_now

LENGTHS = ("30", "7", "90", "365")
"""Days that the chart can show; the first is what it shows unless it is asked."""

_POINTS = 60
_CHANGES = 8


def chart_panel(request: HttpRequest, merchant: Merchant, currencies: Sequence[str]) -> list[Panel]:
    """Return the chart of what the merchant had, held money included, in one of its currencies.

    Each point is the balance as of its moment: about 20 look-ups in an index, however long the
    account is. The daily figures cannot say it: they have what wallets sent and received, by
    currency and day, without what a capture takes from held money.
    """
    if not currencies:
        return []
    code = request.GET.get("currency", "")
    code = code if code in currencies else _last_moved(merchant) or currencies[0]
    days = request.GET.get("days", "")
    days = days if days in LENGTHS else LENGTHS[0]
    unit = known_currency(code)
    values = _balances(merchant, unit, int(days))
    lowest, highest = min(values, key=lambda one: one[1]), max(values, key=lambda one: one[1])
    line, area = line_chart([amount for _, amount in values])
    figure = f"{shown(values[-1][1], unit)} now; lowest {shown(lowest[1], unit)}, highest {shown(highest[1], unit)}"
    chart = Sparkline(f"Balance in {code}", figure, (), line, area, f"{values[0][0]:%d %b %Y}", f"{values[-1][0]:%d %b %Y}")
    fields = (
        Filter("currency", "Currency", code, "select", [(one, one) for one in currencies]),
        Filter("days", "Days", days, "select", [(one, one) for one in sorted(LENGTHS, key=int)]),
    )
    return [Panel("Balance over time", ("When (UTC)", "Balance"), _changes(values, unit), filters=fields, chart=chart)]


def _last_moved(merchant: Merchant) -> str:
    """Return the currency in which something was posted last; empty if nothing was yet."""
    wallet = moved_wallets(merchant).first()
    return "" if wallet is None else wallet.currency_id


def _balances(merchant: Merchant, unit: CurrencyUnit, days: int) -> list[tuple[datetime, int]]:
    end = database_now()
    step = timedelta(days=days) / _POINTS
    moments = [end - step * number for number in range(_POINTS, -1, -1)]
    found = get_balances_over_time_now(merchant.id, currency=unit, moments=moments)
    return [(moment, sum(row.available_minor + row.held_minor for row in balances.rows)) for moment, balances in found]


def _changes(values: Sequence[tuple[datetime, int]], unit: CurrencyUnit) -> list[list[Cell]]:
    """Return the newest points where the balance is another than at the point before."""
    runs = [next(run) for _, run in itertools.groupby(values, key=lambda one: one[1])]
    return [[Cell(f"{moment:%Y-%m-%d %H:%M}"), Cell(shown(amount, unit), is_number=True)] for moment, amount in runs[: -_CHANGES - 1 : -1]]
