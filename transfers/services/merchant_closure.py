"""Merchant closure: a merchant is closed when all its accounts are empty."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q

from ledger_project.kernel.refusals import AccountNotEmpty
from merchants.domain import MerchantIdentity, Status
from merchants.services import check_closable, lock_all_accounts, lock_merchant, set_merchant_status, state_change
from transfers.domain.hold_outcomes import HoldPhase
from transfers.models import Hold
from transfers.models.holds import in_phase
from transfers.selectors import get_balances_now


def close_merchant(merchant_id: UUID) -> bool:
    """Close a merchant, and return whether it was open.

    Raises ``AccountNotEmpty`` while the merchant has or owes money in any currency, or is a party
    of an open hold. Raises ``AccountBusy`` as a freeze does, and where an account was opened
    meanwhile.
    """
    with state_change():
        # Unlike a freeze, this is decided under the locks: an account that is empty under them
        # stays empty until the status is committed, and whoever gets its lock then sees the status.
        merchant = lock_merchant(merchant_id)
        lock_all_accounts(merchant_id)
        check_closable(merchant)
        refusal = None if merchant.status == Status.CLOSED else keeps_open(MerchantIdentity(merchant_id, merchant.name))
        if refusal is not None:
            raise refusal
        return set_merchant_status(merchant_id, Status.CLOSED)


def keeps_open(merchant: MerchantIdentity) -> AccountNotEmpty | None:
    """Return why a merchant cannot be closed as its accounts are now; None if it can. Without the
    locks of ``close_merchant``, the answer is for people only. Two round trips.
    """
    _, rows = get_balances_now(merchant.id, currency=None, at=None)
    currencies = [row.currency.code for row in rows if row.available_minor or row.held_minor]
    parties = Q(source_merchant_id=merchant.id) | Q(target_merchant_id=merchant.id)
    open_holds = Hold.objects.filter(parties, in_phase(HoldPhase.OPEN)).count()
    return AccountNotEmpty(merchant.name, currencies=currencies, open_holds=open_holds) if currencies or open_holds else None
