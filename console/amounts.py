"""Amounts as people read them in the admin: grouped, exact, without eighteen zeros."""

from __future__ import annotations

from ledger_project.kernel.money import Currency, format_minor

KEPT_DECIMALS = 8
"""Decimals that are always shown (as far as the currency has them); further ones only where they are not zero."""


def shown_number(amount_minor: int, currency: Currency) -> str:
    """Return an amount in major units with thousands grouped: ``1,234,567.80``. Always exact."""
    whole, point, fraction = format_minor(abs(amount_minor), currency.exponent).partition(".")
    kept, rest = fraction[:KEPT_DECIMALS], fraction[KEPT_DECIMALS:].rstrip("0")
    return f"{'-' if amount_minor < 0 else ''}{int(whole):,}{point}{kept}{rest}"


def shown(amount_minor: int, currency: Currency) -> str:
    """Return an amount with its currency: ``1,234,567.80 USD``."""
    return f"{shown_number(amount_minor, currency)} {currency.code}"


def shown_short(amount_minor: int, currency: Currency) -> str:
    """Return an amount for a headline: at most so many decimals, cut off towards zero; the exact one belongs beside it."""
    whole, point, fraction = shown_number(amount_minor, currency).partition(".")
    fraction = fraction[:KEPT_DECIMALS]
    if currency.exponent > 3:
        fraction = fraction.rstrip("0").ljust(2, "0")
    return f"{whole}{point}{fraction}"
