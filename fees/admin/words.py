"""What a version of a fee schedule says, and how a fee was computed, in words and major units.

Rates are told in per cent. Every number is exact: only integers are shifted and written.
"""

from __future__ import annotations

from console.amounts import KEPT_DECIMALS, shown_number
from fees.admin.typed import trimmed
from fees.domain import RATE_SCALE, FeePart, Schedule, TierMode, charges_nothing, explain_fee
from ledger_project.kernel.money import CurrencyUnit, format_minor

_RATE_DECIMALS = 10


def shown_percent(scaled_rate: int) -> str:
    """Return a rate in per cent: ``1.25%``. The rate is an integer of ``1 / RATE_SCALE``."""
    return f"{_grouped(format_minor(scaled_rate, _RATE_DECIMALS - 2))}%"


def effective_percent(fee_minor: int, amount_minor: int) -> str:
    """Return which share of an amount a fee is, in per cent with four decimals at most.

    ``≈`` before it says that the share has more decimals.
    """
    share, rest = divmod(fee_minor * 10**6, amount_minor)
    rounded = share + (2 * rest >= amount_minor)
    return f"{'≈ ' if rest else ''}{_grouped(format_minor(rounded, 4))}%"


def _grouped(number: str, kept: int = 0) -> str:
    """Return a decimal number as ``trimmed`` does, with its thousands grouped."""
    whole, point, fraction = trimmed(number, kept).partition(".")
    return f"{int(whole):,}{point}{fraction}"


def _exactly(scaled: int, unit: CurrencyUnit) -> str:
    """Return a fee before its rounding in major units; ``scaled`` as ``exact_scaled``."""
    return _grouped(format_minor(scaled, unit.exponent + _RATE_DECIMALS), min(unit.exponent, KEPT_DECIMALS))


def computation(schedule: Schedule, amount_minor: int, unit: CurrencyUnit) -> str:
    """Return in words how a version comes to the fee of an amount.

    As in ``1% of 112.50 = 1.125, half-even → 1.12``.
    """
    explained = explain_fee(schedule, amount_minor)
    rounded_minor, fee_minor = explained.rounded_minor, explained.fee_minor
    terms = [f"{shown_number(explained.flat_minor, unit)} flat"] if explained.flat_minor else []
    terms += [term for part in explained.parts for term in _part_terms(part, unit)]
    words = " + ".join(terms) or f"{shown_percent(0)} of {shown_number(amount_minor, unit)}"
    words = f"{_tier_words(schedule, amount_minor, unit)}{words} = {_exactly(explained.exact_scaled, unit)}"
    if not explained.is_exact:
        words += f", {rounding_words(schedule)} → {shown_number(rounded_minor, unit)}"
    if fee_minor != rounded_minor:
        bound = "below the minimum" if fee_minor > rounded_minor else "above the maximum"
        words += f", {bound} → {shown_number(fee_minor, unit)}"
    return words


def _part_terms(part: FeePart, unit: CurrencyUnit) -> list[str]:
    terms = [f"{shown_percent(int(part.rate * RATE_SCALE))} of {shown_number(part.base_minor, unit)}"] if part.rate else []
    return [*terms, *([f"{shown_number(part.flat_minor, unit)} flat"] if part.flat_minor else [])]


def _tier_words(schedule: Schedule, amount_minor: int, unit: CurrencyUnit) -> str:
    """Return which tier an amount meets, as the beginning of a sentence."""
    if schedule.tier_mode is None:
        return ""
    if schedule.tier_mode is TierMode.GRADUATED:
        return "each slice by its tier: "
    bounds = [tier.up_to_minor for tier in schedule.tiers if tier.up_to_minor is not None]
    met = next((bound for bound in bounds if amount_minor <= bound), None)
    if met is not None:
        return f"tier up to {shown_number(met, unit)}: "
    return f"tier beyond {shown_number(bounds[-1], unit)}: " if bounds else ""


def rounding_words(schedule: Schedule) -> str:
    """Return the rounding of a version: ``half-even``."""
    return schedule.rounding.value.replace("_", "-")


def tier_lines(schedule: Schedule, unit: CurrencyUnit) -> list[str]:
    """Return the terms of each tier: ``up to 100.00: 2% + 0.05``. Without tiers there are none."""
    lines, below = [], 0
    for tier in schedule.tiers:
        bound = f"up to {shown_number(tier.up_to_minor, unit)}" if tier.up_to_minor is not None else f"beyond {shown_number(below, unit)}"
        flat = f" + {shown_number(tier.flat_minor, unit)}" if tier.flat_minor else ""
        lines.append(f"{bound if below or tier.up_to_minor is not None else 'any amount'}: {shown_percent(tier.scaled_rate)}{flat}")
        below = tier.up_to_minor or below
    return lines


def terms(schedule: Schedule, unit: CurrencyUnit | None) -> str:
    """Return the terms of a version in one line, as in ``1% + 0.30, at least 0.50 USD, half-even``.

    ``unit`` is the currency of the version; None if it is for every currency.
    """
    if charges_nothing(schedule):
        return "nothing: fees are waived"
    words = shown_percent(schedule.scaled_rate)
    if unit is None:
        return f"{words}, {rounding_words(schedule)}"
    if schedule.tier_mode is not None:
        of_what = "whole amount at its tier's terms" if schedule.tier_mode is TierMode.VOLUME else "each slice at its tier's terms"
        words = f"{'; '.join(tier_lines(schedule, unit))}, in {unit.code} ({of_what})"
    more = f" + {shown_number(schedule.flat_minor, unit)}" if schedule.flat_minor else ""
    for name, bound_minor in (("at least", schedule.minimum_minor), ("at most", schedule.maximum_minor)):
        more += f", {name} {shown_number(bound_minor, unit)}" if bound_minor is not None else ""
    return f"{words}{more}{f' {unit.code}' if more else ''}, {rounding_words(schedule)}"


def scope_words(merchant: str | None, currency: str | None, kind: str | None) -> str:
    """Return in words which movements a schedule is for: ``alice_store in USD, captures only``."""
    whom = (merchant or "everyone") + (f" in {currency}" if currency else " in every currency" if merchant else "")
    return f"{whom}, {kind}s only" if kind else whom
