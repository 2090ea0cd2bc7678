"""What operators change beside money, as it would wait for a second person. Synchronous."""

from __future__ import annotations

from uuid import UUID

from approvals.domain.operations import AppendVersion, SetOverdraft
from fees.models import FeeSchedule
from ledger_project.kernel.amount_input import AmountInput
from merchants.domain import AccountKind, MerchantIdentity
from merchants.models import Account
from merchants.selectors import known_currency


def overdraft_of(account_id: UUID, limit: AmountInput, reason: str) -> SetOverdraft | None:
    """Return the change of a wallet's overdraft limit; None if there is no such wallet.

    Raises ``ValidationFailed`` for an amount that is none in its currency.
    """
    account = Account.objects.select_related("merchant").filter(id=account_id, kind=AccountKind.WALLET.value).first()
    if account is None:
        return None
    currency = known_currency(account.currency_id)
    return SetOverdraft(account.id, MerchantIdentity(account.merchant_id, account.merchant.name), currency, limit.resolve(currency), reason)


def version_of(draft: FeeSchedule, *, merchant_name: str, at_once: bool) -> AppendVersion:
    """Return a draft of a fee schedule as it would wait.

    ``at_once``: it comes into force when it is approved, whatever its moment says.
    """
    return AppendVersion(
        id=draft.id,
        merchant=None if draft.merchant_id is None else MerchantIdentity(draft.merchant_id, merchant_name),
        currency=None if draft.currency_id is None else known_currency(draft.currency_id),
        kind=draft.kind,
        rate=f"{draft.rate:f}",
        flat_minor=int(draft.flat_minor),
        minimum_minor=draft.minimum_minor,
        maximum_minor=draft.maximum_minor,
        tier_mode=draft.tier_mode,
        tiers=draft.tiers,
        rounding=draft.rounding,
        payer=draft.payer,
        note=draft.note,
        effective_from=None if at_once else draft.effective_from,
    )
