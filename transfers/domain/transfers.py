"""Transfers: money from one merchant to another, with the fee that applies."""

from __future__ import annotations

from fees.domain import Payer
from ledger_project.kernel.refusals import CurrencyMismatch
from merchants.domain import AccountKind
from transfers.domain.charges import charge_for, fee_legs
from transfers.domain.commands import TransferFunds
from transfers.domain.drafts import Draft, post_draft
from transfers.domain.kinds import EntryType, TransferKind
from transfers.domain.ledger import Ledger, Leg
from transfers.domain.outcome import Posted


def transfer_funds(command: TransferFunds, ledger: Ledger) -> Posted:
    """Sender DEBIT amount, receiver CREDIT amount, payer DEBIT fee, payer's fees CREDIT fee."""
    currency, amount_minor = command.currency, command.amount_minor
    if command.target_currency is not None and command.target_currency != currency.code:
        raise CurrencyMismatch(currency.code, command.target_currency)
    source = ledger.account(command.source, currency, AccountKind.WALLET)
    target = ledger.account(command.target, currency, AccountKind.WALLET)
    ledger.check_open(source, target)
    ledger.check_in_use(currency)
    charge = charge_for(ledger, command.source, currency, TransferKind.TRANSFER, amount_minor)
    payer, paying = (source, command.source) if charge.payer is Payer.SENDER else (target, command.target)
    legs = [
        Leg(source, EntryType.TRANSFER, -amount_minor),
        Leg(target, EntryType.TRANSFER, amount_minor),
        *fee_legs(payer, ledger.account(paying, currency, AccountKind.FEES), charge.fee_minor),
    ]
    draft = Draft(TransferKind.TRANSFER, command.source, command.target, source, target, currency, amount_minor, command.details, charge)
    return Posted(transfer=post_draft(ledger, draft, legs))
