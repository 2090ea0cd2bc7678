"""Queries: views read only through them. Synchronous, for reader threads.

A query is one round trip, or its docstring says how many.
"""

from transfers.selectors.accounts import get_account_now
from transfers.selectors.balances import get_balances, get_balances_now
from transfers.selectors.fees import applicable_schedule
from transfers.selectors.holds import find_hold_terms
from transfers.selectors.merchants import get_merchant, get_merchant_now, list_merchants
from transfers.selectors.transfers import TransferFilters, find_original, get_transfer, list_transfers
from transfers.selectors.visibility import (
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
    "get_account_now",
    "get_balances",
    "get_balances_now",
    "get_merchant",
    "get_merchant_now",
    "get_transfer",
    "list_merchants",
    "list_transfers",
    "visible_account",
    "visible_hold",
    "visible_holds",
    "visible_merchants",
    "visible_transfer",
    "visible_transfers",
    "visible_wallet",
]
