"""Queries: views read only through them. Synchronous, for reader threads.

A query is one round trip, or its docstring says how many.
"""

from transfers.selectors.balances import get_account, get_balances, get_merchant, list_merchants
from transfers.selectors.fees import applicable_schedule
from transfers.selectors.holds import find_hold_terms
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
    "get_account",
    "get_balances",
    "get_merchant",
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
