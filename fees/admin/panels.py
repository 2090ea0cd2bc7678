"""Panels of fee schedules: what a version charges, and two versions side by side."""

from __future__ import annotations

from collections.abc import Sequence

from console.amounts import shown, shown_number
from console.panels import Cell, Panel
from fees.admin.typed import amounts_of, default_amounts
from fees.admin.words import computation, effective_percent, rounding_words, scope_words, shown_percent, tier_lines
from fees.domain import Payer, Schedule, TierMode, calculate_fee
from fees.models import FeeSchedule
from fees.selectors import drafted_schedule
from ledger_project.kernel.money import CurrencyUnit
from merchants.models import Currency
from merchants.selectors import known_currency

SAMPLE_CURRENCIES = ("USD", "JPY", "KWD", "BTC")
"""Currencies of 2, 0, 3 and 8 decimals: those of a version for every currency."""

_REFUSED = "refused: less than the fee"
_NONE = "none"


def name_of(version: FeeSchedule) -> str:
    """Return the name of a stored version, or of a draft, which has no number yet."""
    return (
        f"{_number_of(version)} for {scope_words(version.merchant.name if version.merchant else None, version.currency_id, version.kind)}"
    )


def _number_of(version: FeeSchedule) -> str:
    return f"version {version.version}" if version.version else "this draft"


def preview_panel(version: FeeSchedule, amounts_text: str, title: str) -> Panel:
    """Return what a version charges on the amounts that were typed, or on ready-made ones."""
    schedule = drafted_schedule(version)
    amounts, warning = _amounts([schedule], amounts_text)
    rows = [_charge_row(schedule, amount_minor, unit) for unit, amount_minor in amounts]
    total = "Sender pays in all" if schedule.payer is Payer.SENDER else "Receiver gets"
    headers = ("Amount", "Fee", "Effective rate", total, "How")
    return Panel(title, headers, rows, "No amount to try.", warning=warning)


def _charge_row(schedule: Schedule, amount_minor: int, unit: CurrencyUnit) -> list[Cell]:
    fee_minor = calculate_fee(schedule, amount_minor)
    total_minor = amount_minor + fee_minor if schedule.payer is Payer.SENDER else amount_minor - fee_minor
    return [
        Cell(shown(amount_minor, unit), is_number=True),
        Cell(shown(fee_minor, unit), is_number=True),
        Cell(effective_percent(fee_minor, amount_minor), is_number=True),
        Cell(_REFUSED if total_minor < 0 else shown(total_minor, unit), is_number=True),
        Cell(computation(schedule, amount_minor, unit)),
    ]


def _amounts(schedules: Sequence[Schedule], text: str) -> tuple[list[tuple[CurrencyUnit, int]], str]:
    """Return the amounts to try, each in its currency, and in words what of the text is left out.

    There are none for versions of different currencies.
    """
    own = {schedule.currency for schedule in schedules if schedule.currency}
    if len(own) > 1:
        return [], "They are for different currencies: no amount is charged by both."
    codes = [*own] or [*SAMPLE_CURRENCIES]
    known = {c.code: CurrencyUnit(c.code, c.exponent) for c in Currency.objects.filter(code__in=codes)}
    bounds = [tier.up_to_minor for schedule in schedules for tier in schedule.tiers if tier.up_to_minor is not None]
    found: list[tuple[CurrencyUnit, int]] = []
    left_out: list[str] = []
    for unit in (known[code] for code in codes if code in known):
        amounts, wrong = amounts_of(text, unit) if text.strip() else (default_amounts(unit, bounds, is_short=not own), [])
        found += [(unit, amount_minor) for amount_minor in amounts]
        left_out += wrong if own else [f"{unit.code}: {words}" for words in wrong]
    return found, " ".join(left_out)


def _terms(version: FeeSchedule) -> dict[str, str]:
    """Return the terms of a version in words, by their names."""
    schedule = drafted_schedule(version)
    unit = known_currency(schedule.currency) if schedule.currency else None
    modes = {None: _NONE, TierMode.VOLUME: "the whole amount at its tier's terms", TierMode.GRADUATED: "each slice at its tier's terms"}
    tiers = f"{modes[schedule.tier_mode]}: {'; '.join(tier_lines(schedule, unit))}" if schedule.tiers and unit else _NONE
    return {
        "For": scope_words(version.merchant.name if version.merchant else None, schedule.currency, schedule.kind),
        "Rate": "by tiers" if schedule.tier_mode else shown_percent(schedule.scaled_rate),
        "Flat part": _money(schedule.flat_minor or None, unit),
        "Tiers": tiers,
        "Minimum": _money(schedule.minimum_minor, unit),
        "Maximum": _money(schedule.maximum_minor, unit),
        "Rounding": rounding_words(schedule),
        "Paid by": f"the {schedule.payer.value}",
        "In force from (UTC)": f"{schedule.effective_from:%Y-%m-%d %H:%M:%S}",
        "Reason": version.note,
    }


def _money(minor: int | None, unit: CurrencyUnit | None) -> str:
    return _NONE if minor is None or unit is None else shown(minor, unit)


def comparison_panels(one: FeeSchedule, other: FeeSchedule, amounts_text: str) -> list[Panel]:
    """Return the terms of two versions side by side, and what each charges on the same amounts."""
    names = [name_of(one), name_of(other)]
    title = f"{_begun(names[0])} beside {names[1]}"
    short = ["A", "B"] if one.version == other.version else [_number_of(version) for version in (one, other)]
    headings = [f"{letter}: {name}" for letter, name in zip(short, names, strict=True)] if "A" in short else map(_begun, short)
    left, right = _terms(one), _terms(other)
    terms = [[Cell(name), Cell(left[name]), Cell(right[name]), Cell("differs" if left[name] != right[name] else "")] for name in left]
    schedules = drafted_schedule(one), drafted_schedule(other)
    amounts, warning = _amounts(schedules, amounts_text)
    rows = [_difference_row(schedules, amount_minor, unit) for unit, amount_minor in amounts]
    headers = ("Amount", f"Fee, {short[0]}", f"Fee, {short[1]}", "Difference", f"Rate, {short[0]}", f"Rate, {short[1]}")
    return [
        Panel(title, ("Term", *headings, ""), terms),
        Panel("Fees on the same amounts", headers, rows, "No amount to try.", warning=warning),
    ]


def _begun(words: str) -> str:
    return words[0].upper() + words[1:]


def _difference_row(schedules: tuple[Schedule, Schedule], amount_minor: int, unit: CurrencyUnit) -> list[Cell]:
    """Return what two versions charge on an amount. The difference is the second less the first."""
    one_minor, other_minor = (calculate_fee(schedule, amount_minor) for schedule in schedules)
    sign = "+" if other_minor > one_minor else ""
    texts = (
        shown(amount_minor, unit),
        shown(one_minor, unit),
        shown(other_minor, unit),
        f"{sign}{shown_number(other_minor - one_minor, unit)}",
        effective_percent(one_minor, amount_minor),
        effective_percent(other_minor, amount_minor),
    )
    return [Cell(text, is_number=True) for text in texts]
