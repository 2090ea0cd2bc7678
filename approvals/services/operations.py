"""What operators change beside money, as it would wait for a second person. Synchronous."""

from __future__ import annotations

from uuid import UUID

from approvals.domain.operations import CloseMerchant, SetOverdraft
from ledger_project.kernel.amount_input import AmountInput
from merchants.domain import AccountKind, MerchantIdentity
from merchants.models import Account
from merchants.selectors import known_currency


def closing_of(merchant: MerchantIdentity | None, reason: str) -> CloseMerchant | None:
    """Return the closing of a merchant; None if there is no such merchant."""
    return None if merchant is None else CloseMerchant(merchant, reason)


def overdraft_of(account_id: UUID, limit: AmountInput, reason: str) -> SetOverdraft | None:
    """Return the change of a wallet's overdraft limit; None if there is no such wallet.

    Raises ``ValidationFailed`` for an amount that is none in its currency.
    """
    account = Account.objects.select_related("merchant").filter(id=account_id, kind=AccountKind.WALLET.value).first()
    if account is None:
        return None
    currency = known_currency(account.currency_id)
    return SetOverdraft(account.id, MerchantIdentity(account.merchant_id, account.merchant.name), currency, limit.resolve(currency), reason)
