"""What people type into the forms of fees: rates in per cent, money in major units, amounts.

All is read exactly: no character is dropped before it is understood, and nothing becomes a float.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from fees.domain import RATE_SCALE
from ledger_project.kernel.money import CurrencyUnit, InvalidAmount, format_minor, parse_typed_major

MOST_AMOUNTS = 20
"""The most amounts of one preview."""

_RATE_DECIMALS = 10
_PERCENT = re.compile(r"(0|[1-9][0-9]{0,2})(?:\.([0-9]{1,8}))?(?: ?%)?", re.ASCII)
_ZERO = re.compile(r"0(?:\.0+)?", re.ASCII)
_BETWEEN = re.compile(r"[\s;]+|,\s+")


class NoRate(ValueError):
    """A text that is no rate in per cent. The message says what would be right."""


def rate_of(text: str) -> Decimal:
    """Return the rate that a text in per cent means: ``1.25`` and ``1.25%`` are 0.0125.

    Raises ``NoRate`` for what is not from 0 to 100, or has more than eight decimals.
    """
    match = _PERCENT.fullmatch(text)
    if match is None:
        raise NoRate("A rate in per cent is expected, as in 1 or 1.25: digits and at most one point, with eight decimals at most.")
    scaled = int(match[1] + (match[2] or "").ljust(_RATE_DECIMALS - 2, "0"))
    if scaled > RATE_SCALE:
        raise NoRate("A rate is 100 per cent at most.")
    return Decimal(scaled).scaleb(-_RATE_DECIMALS)


def percent_text(rate: Decimal) -> str:
    """Return a rate as it is typed: the text that ``rate_of`` reads as this rate."""
    return trimmed(format_minor(int(rate * RATE_SCALE), _RATE_DECIMALS - 2))


def rate_text(rate: Decimal) -> str:
    """Return a rate as it is stored in a tier: a decimal string from 0 to 1."""
    return trimmed(format_minor(int(rate * RATE_SCALE), _RATE_DECIMALS))


def trimmed(number: str, kept: int = 0) -> str:
    """Return a decimal number without the zeros at its end, but for those of the ``kept`` first
    decimals.
    """
    whole, _, fraction = number.partition(".")
    fraction = fraction[:kept] + fraction[kept:].rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def money_of(text: str, unit: CurrencyUnit) -> int:
    """Return the minor units of an amount that may be zero. Raises ``InvalidAmount``."""
    try:
        return parse_typed_major(text, unit)
    except InvalidAmount as error:
        if error.code == "min_value":
            return 0
        raise


def money_text(minor: int, unit: CurrencyUnit) -> str:
    """Return an amount as it is typed: the text that ``money_of`` reads as this amount."""
    return trimmed(format_minor(minor, unit.exponent), 2)


def is_zero(text: str) -> bool:
    """Whether a text is zero in every currency."""
    return _ZERO.fullmatch(text) is not None


def amounts_of(text: str, unit: CurrencyUnit) -> tuple[list[int], list[str]]:
    """Return the amounts of a text like ``10 112.50 5,000`` in minor units, each once, in their
    order; and in words what of it is no amount of this currency.

    Blanks, semicolons and new lines stand between amounts, and a comma with a blank behind it.
    """
    words = [word for word in _BETWEEN.split(text) if word]
    found: dict[int, None] = {}
    wrong = []
    for word in words[:MOST_AMOUNTS]:
        try:
            found[parse_typed_major(word, unit)] = None
        except InvalidAmount as error:
            wrong.append(f"{word[:40]} is left out: {error}.")
    if len(words) > MOST_AMOUNTS:
        wrong.append(f"{MOST_AMOUNTS} amounts are shown at most.")
    return list(found), wrong


def default_amounts(unit: CurrencyUnit, bounds_minor: Sequence[int] = (), *, is_short: bool = False) -> list[int]:
    """Return amounts that show what fees are like in a currency: small ones, one that is rounded,
    large ones; and around the bounds of the first tiers. ``is_short``: only two.
    """
    rounded = "112.50" if unit.exponent >= 2 else "112"
    samples = (rounded, "1000") if is_short else ("1", "10", rounded, "1000", "25000")
    around = [minor for bound in bounds_minor[:4] for minor in (bound, bound + 1)]
    return sorted({*(parse_typed_major(sample, unit) for sample in samples), *around})
