"""Panels of a fee schedule: what it charges, and two versions side by side."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from console.amounts import shown
from console.panels import Cell, Panel
from fees.admin.words import computation, effective_percent
from fees.domain import calculate_fee
from fees.models import FeeSchedule
from fees.selectors import drafted_schedule
from ledger_project.kernel.money import CurrencyUnit
from merchants.models import Currency

SAMPLES_MAJOR = ("1", "10", "99.99", "1000", "25000")


CURRENCY_LESS_SAMPLES = ("USD", "JPY", "KWD", "BTC")
"""Currencies of 2, 0, 3 and 8 decimals: the samples of a draft for every currency."""


def preview_panels(draft: FeeSchedule) -> list[Panel]:
    """Return what a draft would charge on sample amounts, in its currency or in the sample ones."""
    codes = [draft.currency_id] if draft.currency_id else list(CURRENCY_LESS_SAMPLES)
    units = {c.code: CurrencyUnit(c.code, c.exponent) for c in Currency.objects.filter(code__in=codes)}
    rows = []
    for code in codes:
        unit = units[code]
        amounts = sorted({int(Decimal(sample) * 10**unit.exponent) for sample in SAMPLES_MAJOR})
        schedule = drafted_schedule(draft)
        for amount_minor in amounts:
            fee_minor = calculate_fee(schedule, amount_minor)
            rows.append(
                [
                    Cell(shown(amount_minor, unit), is_number=True),
                    Cell(shown(fee_minor, unit), is_number=True),
                    Cell(effective_percent(fee_minor, amount_minor), is_number=True),
                    Cell(computation(schedule, amount_minor, unit)),
                ]
            )
    return [Panel("What it would charge", ("Amount", "Fee", "Effective rate", "How"), rows)]


def _words(value: object) -> str:
    """Return a term of a version in words."""
    if value is None or value == []:
        return "—"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def compare_panel(one: FeeSchedule, other: FeeSchedule) -> Panel:
    """Return two versions side by side, with the differing terms marked."""
    names = ("rate", "flat_minor", "minimum_minor", "maximum_minor", "tier_mode", "tiers", "rounding", "payer", "effective_from", "note")
    rows = [
        [
            Cell(name.replace("_minor", ", minor units").replace("_", " ").capitalize()),
            Cell(_words(getattr(one, name))),
            Cell(_words(getattr(other, name))),
            Cell("differs" if getattr(one, name) != getattr(other, name) else ""),
        ]
        for name in names
    ]
    return Panel(f"Version {one.version} beside version {other.version}", ("", f"v{one.version}", f"v{other.version}", ""), rows)
