"""Closing what is empty."""

from __future__ import annotations

from uuid import UUID

from merchants.domain import Status
from merchants.models import Merchant
from merchants.services import StatusChangeRefused, lock_accounts, lock_merchant, set_merchant_status, state_change
from transfers.selectors import get_balances


def close_merchant(merchant_id: UUID) -> Merchant:
    """Close a merchant that holds nothing.

    Raises ``StatusChangeRefused`` while it has money, spendable or held, in any currency, and ``AccountBusy`` as a freeze does.
    """
    with state_change():
        # The locks first: what is empty under them stays empty until the state is written.
        lock_merchant(merchant_id)
        lock_accounts(merchant_id)
        _, rows = get_balances(merchant_id, currency=None, at=None)
        left = [row.currency.code for row in rows if row.available_minor or row.held_minor]
        if left:
            raise StatusChangeRefused(f"There is still money in {', '.join(left)}; a merchant is closed when it holds nothing.")
        return set_merchant_status(merchant_id, Status.CLOSED)
