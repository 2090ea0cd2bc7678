"""Registration: new merchants, and new accounts of merchants."""

from __future__ import annotations

from ledger_project.kernel.happenings import EventType
from ledger_project.kernel.refusals import AccountExists, CurrencyInactive, MerchantExists
from merchants.domain import AccountKind, Status
from transfers.domain.commands import OpenAccount, RegisterMerchant
from transfers.domain.drafts import Draft, post_draft
from transfers.domain.events import merchant_facts
from transfers.domain.facts import AccountState
from transfers.domain.kinds import EntryType, TransferKind
from transfers.domain.ledger import Ledger, Leg
from transfers.domain.outcome import Posted, RegisteredMerchant


def register_merchant(command: RegisterMerchant, ledger: Ledger) -> Posted:
    """Outside DEBIT opening balance, wallet CREDIT the same, if there is an opening balance."""
    merchant, currency = command.merchant, command.currency
    if merchant.id not in ledger.book.registered:
        raise MerchantExists(merchant.name)
    registered_at = ledger.book.registered[merchant.id]
    if registered_at is None:
        raise CurrencyInactive(currency.code if currency else "")
    registered = RegisteredMerchant(merchant, command.metadata, registered_at, command.display_name, command.receipt_email)
    _tell(registered, ledger)
    if currency is None:
        return Posted(merchant=registered)
    wallet = ledger.account(merchant, currency, AccountKind.WALLET)
    ledger.open(wallet, ledger.now)
    transfer = None
    if command.opening_minor:
        external = ledger.account(merchant, currency, AccountKind.EXTERNAL)
        legs = [Leg(external, EntryType.OPENING, -command.opening_minor), Leg(wallet, EntryType.OPENING, command.opening_minor)]
        draft = Draft(
            TransferKind.OPENING,
            None,
            merchant,
            external,
            wallet,
            currency,
            command.opening_minor,
            command.details,
            reference_account=wallet,
        )
        transfer = post_draft(ledger, draft, legs)
    return Posted(merchant=registered, transfer=transfer, account=ledger.snapshot(wallet, _nothing_held(wallet), currency))


def _tell(registered: RegisteredMerchant, ledger: Ledger) -> None:
    merchant = registered.identity
    facts = merchant_facts(
        merchant_id=merchant.id,
        name=merchant.name,
        display_name=registered.display_name,
        status=Status.ACTIVE.value,
        metadata=registered.metadata,
        created_at=registered.created_at,
    )
    ledger.happen(EventType.MERCHANT_CREATED, {"merchant": facts}, merchant_id=merchant.id, at=ledger.now)


def _nothing_held(wallet: AccountState) -> AccountState:
    """Return an empty account in place of the held account of a new wallet."""
    return AccountState(
        wallet.id,
        wallet.key,
        wallet.merchant_name,
        wallet.status,
        0,
        None,
        sequence=0,
        balance_minor=0,
        last_hash=b"",
        last_at=None,
        exists=False,
    )


def open_account(command: OpenAccount, ledger: Ledger) -> Posted:
    """Open a wallet. No money moves."""
    wallet = ledger.account(command.merchant, command.currency, AccountKind.WALLET)
    if wallet.exists:
        raise AccountExists(wallet.merchant_name, command.currency.code, wallet.id)
    ledger.check_open(wallet)
    ledger.check_in_use(command.currency)
    ledger.open(wallet, ledger.now)
    held = ledger.account(command.merchant, command.currency, AccountKind.HELD)
    return Posted(account=ledger.snapshot(wallet, held, command.currency))
