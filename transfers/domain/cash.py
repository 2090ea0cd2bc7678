"""Deposits and withdrawals: money from outside, and money to the outside."""

from __future__ import annotations

from merchants.domain import AccountKind
from transfers.domain.commands import Deposit, Withdraw
from transfers.domain.drafts import Draft, post_draft
from transfers.domain.kinds import EntryType, TransferKind
from transfers.domain.ledger import Ledger, Leg
from transfers.domain.outcome import Posted


def deposit(command: Deposit, ledger: Ledger) -> Posted:
    """Outside DEBIT amount, wallet CREDIT amount."""
    return _cross_border(command, ledger, TransferKind.DEPOSIT)


def withdraw(command: Withdraw, ledger: Ledger) -> Posted:
    """Wallet DEBIT amount, outside CREDIT amount."""
    return _cross_border(command, ledger, TransferKind.WITHDRAWAL)


def _cross_border(command: Deposit | Withdraw, ledger: Ledger, kind: TransferKind) -> Posted:
    merchant, currency, amount_minor = command.merchant, command.currency, command.amount_minor
    wallet = ledger.account(merchant, currency, AccountKind.WALLET)
    external = ledger.account(merchant, currency, AccountKind.EXTERNAL)
    held = ledger.account(merchant, currency, AccountKind.HELD)
    ledger.check_open(wallet)
    incoming = kind is TransferKind.DEPOSIT
    if incoming:
        ledger.check_in_use(currency)
    source, target = (external, wallet) if incoming else (wallet, external)
    entry_type = EntryType(kind.value)
    draft = Draft(
        kind,
        None if incoming else merchant,
        merchant if incoming else None,
        source,
        target,
        currency,
        amount_minor,
        command.details,
        reference_account=wallet,
    )
    transfer = post_draft(ledger, draft, [Leg(source, entry_type, -amount_minor), Leg(target, entry_type, amount_minor)])
    return Posted(transfer=transfer, account=ledger.snapshot(wallet, held, currency))
