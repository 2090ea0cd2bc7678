"""Closing what is empty."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from merchants.domain import Status
from merchants.models import Account, Merchant
from merchants.services import StatusChangeRefused, set_merchant_status
from transfers.selectors import get_balances


def close_merchant(merchant_id: UUID) -> Merchant:
    """Close a merchant that holds nothing. Raises ``StatusChangeRefused`` while it has money, spendable or held, in any currency."""
    with transaction.atomic():
        # The locks first: what is empty under them stays empty until the state is written.
        list(Account.objects.select_for_update().filter(merchant_id=merchant_id).order_by("id").values_list("id"))
        _, rows = get_balances(merchant_id, currency=None, at=None)
        left = [row.currency.code for row in rows if row.available_minor or row.held_minor]
        if left:
            raise StatusChangeRefused(f"There is still money in {', '.join(left)}; a merchant is closed when it holds nothing.")
        return set_merchant_status(merchant_id, Status.CLOSED)
