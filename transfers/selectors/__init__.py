"""Queries: views read only through them.

A query is one round trip, or its docstring says how many. A synchronous one is for reader threads
and for code that is synchronous anyway.
"""

from transfers.selectors.accounts import get_account_now
from transfers.selectors.balances import get_balances, get_balances_now
from transfers.selectors.fees import applicable_schedule
from transfers.selectors.holds import find_hold_terms
from transfers.selectors.merchants import get_merchant, get_merchant_now
from transfers.selectors.transfer_lists import TransferFilters
from transfers.selectors.transfers import find_original, find_original_now, get_transfer, get_transfer_now
from transfers.selectors.visibility import (
    find_visible_wallet,
    visible_account,
    visible_hold,
    visible_holds,
    visible_merchants,
    visible_transfer,
    visible_transfers,
    visible_wallet,
)

__all__ = [
    "TransferFilters",
    "applicable_schedule",
    "find_hold_terms",
    "find_original",
    "find_original_now",
    "find_visible_wallet",
    "get_account_now",
    "get_balances",
    "get_balances_now",
    "get_merchant",
    "get_merchant_now",
    "get_transfer",
    "get_transfer_now",
    "visible_account",
    "visible_hold",
    "visible_holds",
    "visible_merchants",
    "visible_transfer",
    "visible_transfers",
    "visible_wallet",
]
