"""Merchants, wallets and currencies: what is asked for by many, and remembered."""

from merchants.selectors.account_parties import Party, parties, parties_now
from merchants.selectors.currencies import (
    active_currencies_now,
    find_currency,
    find_currency_now,
    is_active_now,
    known_currency,
    required_currency,
    units_of,
    units_of_now,
)
from merchants.selectors.identities import Identities, identify, identify_now

__all__ = [
    "Identities",
    "Party",
    "active_currencies_now",
    "find_currency",
    "find_currency_now",
    "identify",
    "identify_now",
    "is_active_now",
    "known_currency",
    "parties",
    "parties_now",
    "required_currency",
    "units_of",
    "units_of_now",
]
