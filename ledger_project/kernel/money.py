"""Money as integers: parsing the amounts of callers, formatting amounts for readers.

Inside, amounts are integers in a currency's *minor unit* (cent, satoshi, wei). Decimal strings in
*major units* exist only in requests and answers. Floats are never used. The exponent is the number
of decimals of a major unit: USD 2, JPY 0, BTC 8, ETH 18.
"""

import re
from dataclasses import dataclass

MAX_AMOUNT_MINOR = 10**30
"""The largest amount of one movement, in minor units."""

MAX_BALANCE_MINOR = 10**38 - 1
"""The largest balance of an account: the largest ``NUMERIC(38, 0)``."""

MAJOR_UNITS = r"^(0|[1-9][0-9]{0,38})(?:\.([0-9]{1,38}))?$"
"""The form of a decimal string in major units, for every currency."""

_DECIMAL = re.compile(MAJOR_UNITS, re.ASCII)
_GROUPED = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?", re.ASCII)


class InvalidAmount(ValueError):
    """An amount that cannot be moved.

    The message says what would be right; ``code`` is the field error's.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class CurrencyUnit:
    """A unit of account: its code, and the number of decimals of its major unit (ISO 4217: minor
    unit).
    """

    code: str
    exponent: int


def _match(text: str) -> re.Match[str]:
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise InvalidAmount('a plain decimal number is expected, as in "12.34": digits and at most one point', code="invalid")
    return match


def check_decimal(text: str, *, may_be_zero: bool = False) -> None:
    """Raise ``InvalidAmount`` for a text that is no amount in any currency: no plain decimal
    number, or zero.
    """
    _match(text)
    if not may_be_zero and not text.strip("0."):
        raise InvalidAmount("an amount must be more than zero", code="min_value")


def parse_major(text: str, currency: CurrencyUnit) -> int:
    """Return the minor units of a decimal string in major units.

    Zero is allowed.

    Raises ``InvalidAmount`` for signs, blanks, exponents, leading zeros, a bare point, more
    decimals than the currency has (``"1.000"`` is no amount of USD), and more than
    ``MAX_AMOUNT_MINOR``.
    """
    match = _match(text)
    whole, fraction = match[1], match[2] or ""
    if len(fraction) > currency.exponent:
        raise InvalidAmount(f"{currency.code} has {currency.exponent} decimals; {len(fraction)} were given", code="max_decimal_places")
    amount_minor = int(whole + fraction.ljust(currency.exponent, "0"))
    if amount_minor > MAX_AMOUNT_MINOR:
        raise InvalidAmount("the largest amount is 10^30 minor units", code="max_value")
    return amount_minor


def parse_positive_major(text: str, currency: CurrencyUnit) -> int:
    """Like ``parse_major``, and refuses zero."""
    amount_minor = parse_major(text, currency)
    if amount_minor == 0:
        raise InvalidAmount("an amount must be more than zero", code="min_value")
    return amount_minor


def parse_typed_major(text: str, currency: CurrencyUnit) -> int:
    """Like ``parse_positive_major``, for an amount that a person types: commas may group thousands.

    No character is dropped before it is understood. A comma that groups no thousands is refused:
    ``10,50`` may mean 10.50 or 1,050. So is a lone group that could be a fraction: ``1,050`` of a
    currency with three decimals or more.
    """
    if "," not in text:
        return parse_positive_major(text, currency)
    if _GROUPED.fullmatch(text) is None:
        raise InvalidAmount("a comma groups thousands, as in 1,050.00; decimals follow a point, as in 10.50", code="invalid")
    ungrouped = text.replace(",", "")
    if currency.exponent >= 3 and "." not in text and text.count(",") == 1:
        raise InvalidAmount(f"this can be read in two ways: write {ungrouped}, or {text.replace(',', '.')}", code="invalid")
    return parse_positive_major(ungrouped, currency)


def check_minor(amount_minor: int) -> int:
    """Return an amount in minor units if it may be moved. Raises ``InvalidAmount``."""
    if amount_minor <= 0:
        raise InvalidAmount("an amount must be more than zero", code="min_value")
    if amount_minor > MAX_AMOUNT_MINOR:
        raise InvalidAmount("the largest amount is 10^30 minor units", code="max_value")
    return amount_minor


def format_minor(amount_minor: int, exponent: int) -> str:
    """Return minor units as a decimal string in major units: ``format_minor(500, 8) ==
    "0.00000500"``.
    """
    if exponent == 0:
        return str(amount_minor)
    sign = "-" if amount_minor < 0 else ""
    digits = str(abs(amount_minor)).rjust(exponent + 1, "0")
    return f"{sign}{digits[:-exponent]}.{digits[-exponent:]}"


def format_minor_text(minor: str, exponent: int) -> str:
    """The same for minor units as the database writes them. Raises ``ValueError`` for ``NaN``."""
    if len(minor) > exponent > 0 and minor.isdigit():
        return f"{minor[:-exponent]}.{minor[-exponent:]}"
    sign, digits = ("-", minor[1:]) if minor[:1] == "-" else ("", minor)
    if len(digits) > exponent > 0 and digits.isdigit():
        return f"{sign}{digits[:-exponent]}.{digits[-exponent:]}"
    return format_minor(int(minor), exponent)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount with its currency, for messages and answers."""

    minor: int
    currency: CurrencyUnit

    def __str__(self) -> str:
        return f"{format_minor(self.minor, self.currency.exponent)} {self.currency.code}"

    @property
    def major(self) -> str:
        """The decimal string in major units, padded to the currency's exponent."""
        return format_minor(self.minor, self.currency.exponent)
