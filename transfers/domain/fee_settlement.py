"""Fee settlement: the fees that a merchant has paid go to the treasury."""

from __future__ import annotations

from merchants.domain import AccountKind
from transfers.domain.commands import SettleFees
from transfers.domain.drafts import Draft, post_draft
from transfers.domain.kinds import EntryType, TransferKind
from transfers.domain.ledger import Ledger, Leg
from transfers.domain.outcome import Posted


def settle_fees(command: SettleFees, ledger: Ledger) -> Posted:
    """Fees DEBIT their whole balance, treasury CREDIT the same. An empty account is left alone."""
    currency = command.currency
    fees = ledger.account(command.merchant, currency, AccountKind.FEES)
    treasury = ledger.account(command.treasury, currency, AccountKind.WALLET)
    amount_minor = fees.balance_minor
    if amount_minor == 0:
        return Posted()
    draft = Draft(TransferKind.FEE_SETTLEMENT, command.merchant, command.treasury, fees, treasury, currency, amount_minor, command.details)
    legs = [Leg(fees, EntryType.FEE_SETTLEMENT, -amount_minor), Leg(treasury, EntryType.FEE_SETTLEMENT, amount_minor)]
    return Posted(transfer=post_draft(ledger, draft, legs))
