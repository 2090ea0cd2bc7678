"""Drafts: a transfer that is about to be posted gets its checks, its time and its id."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from ledger_project.kernel.money import CurrencyUnit, Money
from ledger_project.kernel.refusals import DuplicateExternalReference, InsufficientFunds
from merchants.domain import MerchantIdentity
from transfers.domain.charges import Charge
from transfers.domain.commands import Details
from transfers.domain.facts import AccountState
from transfers.domain.kinds import EntryType, TransferKind
from transfers.domain.ledger import Ledger, Leg, PostedTransfer, Shortfall


class Draft(Struct, frozen=True):
    """A transfer that is about to be posted, without its id and time.

    ``reference_account`` is the account in which its external reference is unique. The default is
    the source account.
    """

    kind: TransferKind
    source: MerchantIdentity | None
    target: MerchantIdentity | None
    source_account: AccountState
    target_account: AccountState
    currency: CurrencyUnit
    amount_minor: int
    details: Details
    charge: Charge | None = None
    reverses: UUID | None = None
    hold_id: UUID | None = None
    reference_account: AccountState | None = None


def post_draft(ledger: Ledger, draft: Draft, legs: Sequence[Leg]) -> PostedTransfer:
    """Check the legs, give the transfer its time and id, and append it to the ledger.

    Raises ``DuplicateExternalReference``, ``InsufficientFunds`` and ``BalanceLimitExceeded``.
    """
    reference_account = draft.reference_account or draft.source_account
    if draft.details.external_reference is not None:
        first = ledger.references.get((reference_account.id, draft.details.external_reference))
        if first is not None:
            raise DuplicateExternalReference(draft.details.external_reference, first)
    charge = draft.charge
    try:
        ledger.check_legs(legs)
    except Shortfall as shortfall:
        raise _insufficient(shortfall, draft, legs) from None
    moment = ledger.moment(legs)
    transfer = PostedTransfer(
        id=ledger.next_id(moment, draft.source_account),
        kind=draft.kind,
        source=draft.source,
        target=draft.target,
        source_account_id=draft.source_account.id,
        target_account_id=draft.target_account.id,
        currency=draft.currency,
        amount_minor=draft.amount_minor,
        fee_minor=charge.fee_minor if charge else 0,
        total_debit_minor=draft.amount_minor + (charge.sender_fee_minor if charge else 0),
        schedule_id=charge.schedule.id if charge else None,
        schedule_version=charge.schedule.version if charge else None,
        reverses=draft.reverses,
        hold_id=draft.hold_id,
        reference_account_id=reference_account.id,
        details=draft.details,
        created_at=moment,
    )
    ledger.post(transfer, legs)
    return transfer


def _insufficient(shortfall: Shortfall, draft: Draft, legs: Sequence[Leg]) -> InsufficientFunds:
    """Return the refusal, with what the account has and what all of its legs together need."""
    short = shortfall.account
    fee_minor = -sum(leg.amount_minor for leg in legs if leg.account is short and leg.type is EntryType.FEE)
    needed_minor = -sum(leg.amount_minor for leg in legs if leg.account is short)
    return InsufficientFunds(
        short.merchant_name,
        available=Money(short.balance_minor, draft.currency),
        amount=Money(needed_minor - fee_minor, draft.currency),
        fee=Money(fee_minor, draft.currency),
        overdraft_limit=Money(short.overdraft_minor, draft.currency),
    )
