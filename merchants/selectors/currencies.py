"""Currencies, remembered because their codes and exponents never change.

It is not remembered whether a currency is switched off, since that may change: a posting reads it
under its locks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import cast

from ledger_project.database.arrays import words
from ledger_project.database.lost_rows import identities_lost, on_forgetting
from ledger_project.database.reading_lane import Question, ask, ask_now
from ledger_project.kernel.errors import UnknownCurrency
from ledger_project.kernel.money import CurrencyUnit
from merchants.models import Currency

_currencies: dict[str, CurrencyUnit] = {}
_CODE = re.compile(r"[A-Z][A-Z0-9]{1,11}", re.ASCII)
"""What can be a currency's code. The database is not asked for anything else."""


CURRENCIES: Question[str, CurrencyUnit] = Question(
    "SELECT code, exponent FROM merchants_currency WHERE code = ANY(%s::text[])",
    lambda keys: [words(keys)],
    lambda rows: {code: CurrencyUnit(code, exponent) for code, exponent in cast("Iterable[tuple[str, int]]", rows)},
)
"""A currency by its code."""


def _remembered(code: str, currency: CurrencyUnit | None) -> CurrencyUnit | None:
    """Keep a currency that was read, and return it.

    Another thread may empty the memory at any moment, so the answer is not read from there.
    """
    if currency is not None:
        _currencies[code] = currency
    return currency


async def units_of(codes: Iterable[str]) -> Mapping[str, CurrencyUnit]:
    """Return the currencies of something that was read. Raises ``IdentitiesLost`` if one is not
    there.
    """
    return _all_found({code: await find_currency(code) for code in set(codes)})


def units_of_now(codes: Iterable[str]) -> Mapping[str, CurrencyUnit]:
    """The same from synchronous code."""
    return _all_found({code: find_currency_now(code) for code in set(codes)})


def _all_found(units: Mapping[str, CurrencyUnit | None]) -> Mapping[str, CurrencyUnit]:
    if None in units.values():
        raise identities_lost()
    return {code: unit for code, unit in units.items() if unit is not None}


async def find_currency(code: str) -> CurrencyUnit | None:
    """Return the currency of that code, switched off or not; None if there never was one.

    The database is asked for a code that this process has not seen: it may have been added just
    now.
    """
    known = _currencies.get(code)
    if known is not None or not _CODE.fullmatch(code):
        return known
    found = await ask(CURRENCIES, code)
    return _remembered(code, found)


def find_currency_now(code: str) -> CurrencyUnit | None:
    """The same from synchronous code."""
    known = _currencies.get(code)
    if known is not None or not _CODE.fullmatch(code):
        return known
    return _remembered(code, ask_now(CURRENCIES, [code]).get(code))


def required_currency(code: str, currency: CurrencyUnit | None) -> CurrencyUnit:
    """Return the currency. Raises ``UnknownCurrency`` if there never was one of that code."""
    if currency is None:
        raise UnknownCurrency(code)
    return currency


def known_currency(code: str) -> CurrencyUnit:
    """Return a currency that something stored refers to, switched off or not. Synchronous."""
    currency = find_currency_now(code)
    if currency is None:
        raise KeyError(code)
    return currency


def is_active_now(code: str) -> bool:
    """Whether a currency is switched on now. Synchronous.

    A posting does not ask this: it reads the state under its locks.
    """
    return Currency.objects.filter(code=code, is_active=True).exists()


def active_currencies_now() -> dict[str, CurrencyUnit]:
    """Return the currencies that are switched on at this moment, by code. Synchronous."""
    rows = Currency.objects.filter(is_active=True).values_list("code", "exponent")
    return {code: CurrencyUnit(code, exponent) for code, exponent in rows}


on_forgetting(_currencies.clear)
