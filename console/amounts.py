"""Amounts as the admin shows them: exact, in groups of thousands, without needless zeros."""

from __future__ import annotations

from ledger_project.kernel.money import CurrencyUnit, format_minor

KEPT_DECIMALS = 8
"""Decimals that are always shown, if the currency has them.

Further ones are shown if they are not zero.
"""


def shown_number(amount_minor: int, currency: CurrencyUnit) -> str:
    """Return an amount in major units with thousands grouped: ``1,234,567.80``. Always exact."""
    whole, point, fraction = format_minor(abs(amount_minor), currency.exponent).partition(".")
    kept, rest = fraction[:KEPT_DECIMALS], fraction[KEPT_DECIMALS:].rstrip("0")
    return f"{'-' if amount_minor < 0 else ''}{int(whole):,}{point}{kept}{rest}"


def shown(amount_minor: int, currency: CurrencyUnit) -> str:
    """Return an amount with its currency: ``1,234,567.80 USD``."""
    return f"{shown_number(amount_minor, currency)} {currency.code}"


def shown_short(amount_minor: int, currency: CurrencyUnit) -> str:
    """Return an amount for a headline: further decimals are cut off, so show the exact one too."""
    whole, point, fraction = shown_number(amount_minor, currency).partition(".")
    fraction = fraction[:KEPT_DECIMALS]
    if currency.exponent > 3:
        fraction = fraction.rstrip("0").ljust(2, "0")
    return f"{whole}{point}{fraction}"
