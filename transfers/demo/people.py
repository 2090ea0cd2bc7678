"""The merchants of the demo, each with a trade, a size, and the currencies that it holds."""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal

from ledger_project.kernel.money import CurrencyUnit

USD_PER_UNIT = {"USD": 1.0, "EUR": 1.08, "GBP": 1.27, "JPY": 0.0067, "KWD": 3.25, "BTC": 64_000.0, "ETH": 3_100.0}
"""The demo's currencies, of 2, 0, 3, 8 and 18 decimals, with about the worth of one unit: for
believable amounts only."""

_ENDINGS = {"JPY": 10, "KWD": 50}
"""The steps of prices in minor units, where they are not one cent."""


@dataclass(frozen=True, slots=True)
class Person:
    """A merchant of the demo.

    The first currency is its own; ``ticket_usd`` is the usual amount of one sale.
    """

    name: str
    currencies: tuple[str, ...]
    size: float
    ticket_usd: float
    sells: tuple[str, ...]


CAST = (
    Person("alice_store", ("USD", "EUR"), 3.0, 48, ("order", "gift card", "return label", "web shop order")),
    Person("bob_books", ("USD", "GBP"), 1.6, 31, ("books", "school order", "rare edition")),
    Person("casa.verde", ("EUR", "USD"), 1.8, 74, ("garden order", "plants", "delivery and planting")),
    Person("delta-freight", ("USD", "EUR", "KWD"), 2.2, 640, ("freight", "customs handling", "storage", "pallets")),
    Person("north.exchange", ("BTC", "ETH", "USD"), 1.7, 540, ("coin purchase", "coin sale", "custody fee")),
    Person("fjord.coffee", ("EUR", "GBP"), 1.5, 58, ("coffee beans", "subscription box", "machine service")),
    Person("gion_tea", ("JPY", "USD"), 1.4, 44, ("sencha", "tea ceremony", "wholesale tea")),
    Person("elan_fit", ("EUR",), 1.1, 39, ("membership", "ten visits", "personal training")),
    Person("ivy.marketplace", ("USD", "EUR", "GBP", "JPY"), 4.0, 62, ("marketplace sale", "seller payout", "promotion")),
    Person("harbor-supply", ("USD", "GBP"), 2.0, 210, ("ship supplies", "spare parts", "rope and rigging")),
    Person("karam_trading", ("KWD", "USD"), 1.3, 320, ("spices", "carpets", "agency commission")),
    Person("lumen-labs", ("USD", "BTC"), 1.2, 260, ("software licence", "consulting day", "hosting")),
)
"""The first merchants; further ones are made up."""

_WORDS = ("maple", "ember", "cobalt", "willow", "granite", "saffron", "tidal", "meridian", "alpine", "cinder", "juno", "orchid", "quartz")
_TRADES = (("bakery", 18.0), ("cycles", 140.0), ("optics", 120.0), ("prints", 34.0), ("travel", 380.0), ("tools", 85.0), ("toys", 29.0))
_PURSES = (("USD",), ("EUR",), ("USD", "EUR"), ("GBP", "EUR"), ("JPY",), ("USD", "KWD"), ("EUR", "BTC"), ("ETH", "USD"))


def people(count: int) -> list[Person]:
    """Return the first ``count`` merchants, always the same ones."""
    return [CAST[n] if n < len(CAST) else _invented(n - len(CAST)) for n in range(count)]


def _invented(n: int) -> Person:
    word, (trade, ticket_usd) = _WORDS[n % len(_WORDS)], _TRADES[n % len(_TRADES)]
    turn = n // (len(_WORDS) * len(_TRADES))
    name = f"{word}-{trade}{f'-{turn + 1}' if turn else ''}"
    return Person(name, _PURSES[n % len(_PURSES)], 0.4 + (n * 7 % 10) / 10, ticket_usd, ("order", "invoice", trade))


def price(currency: CurrencyUnit, worth_usd: float, dice: random.Random) -> int:
    """Return a price of about this worth in minor units, rounded as prices are: 42.00, 12.90, 3.99;
    1,280 JPY; 0.01234 BTC.
    """
    units = Decimal(worth_usd) / Decimal(USD_PER_UNIT[currency.code])
    if currency.code in {"BTC", "ETH"}:
        return max(1, int(Decimal(f"{units:.3e}").scaleb(currency.exponent)))
    minor = int(units.scaleb(currency.exponent))
    if currency.code in _ENDINGS:
        step = _ENDINGS[currency.code]
        return max(step, minor // step * step)
    major = max(1, minor // 100)
    return major * 100 + dice.choices((0, 50, 90, 99, dice.randrange(100)), (4, 2, 2, 1, 4))[0]
