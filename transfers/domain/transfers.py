"""The plain moves: merchants and accounts come into being, money comes in, moves on with its fee, and goes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from fees.domain import Payer, Schedule, calculate_fee, choose_schedule
from ledger_project.kernel.money import Currency, Money
from ledger_project.kernel.refusals import (
    AccountExists,
    CurrencyInactive,
    CurrencyMismatch,
    DuplicateExternalReference,
    FeeExceedsAmount,
    FeeNotConfigured,
    InsufficientFunds,
    MerchantExists,
)
from merchants.domain import AccountKind, MerchantIdentity
from transfers.domain.kinds import EntryType, TransferKind
from transfers.domain.ledger import AccountState, Ledger, Leg, PostedTransfer, Shortfall
from transfers.domain.outcome import Outcome, RegisteredMerchant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from transfers.domain.commands import Deposit, Details, OpenAccount, RegisterMerchant, SettleFees, TransferFunds, Withdraw


class Charge(Struct, frozen=True):
    """A fee that applies, in minor units, and the schedule that says so."""

    schedule: Schedule
    fee_minor: int

    @property
    def payer(self) -> Payer:
        """Who pays."""
        return self.schedule.payer


class Draft(Struct, frozen=True):
    """A transfer that is about to be posted: everything but its id and time."""

    kind: TransferKind
    source: MerchantIdentity | None
    target: MerchantIdentity | None
    source_account: AccountState
    target_account: AccountState
    currency: Currency
    amount_minor: int
    details: Details
    charge: Charge | None = None
    reverses: UUID | None = None
    hold_id: UUID | None = None
    reference_account: AccountState | None = None


def post_draft(ledger: Ledger, draft: Draft, legs: Sequence[Leg]) -> PostedTransfer:
    """Check the legs, give the transfer its time and id, and append it.

    Raises ``DuplicateExternalReference``, ``InsufficientFunds`` and ``BalanceLimitExceeded``.
    """
    reference_account = draft.reference_account or draft.source_account
    if draft.details.external_reference is not None:
        first = ledger.references.get((reference_account.id, draft.details.external_reference))
        if first is not None:
            raise DuplicateExternalReference(draft.details.external_reference, first)
    charge = draft.charge
    fee_minor = charge.fee_minor if charge else 0
    try:
        ledger.check_legs(legs)
    except Shortfall as shortfall:
        raise _insufficient(shortfall, draft, legs) from None
    moment = ledger.moment(legs)
    transfer = PostedTransfer(
        id=ledger.next_id(moment),
        kind=draft.kind,
        source=draft.source,
        target=draft.target,
        source_account_id=draft.source_account.id,
        target_account_id=draft.target_account.id,
        currency=draft.currency,
        amount_minor=draft.amount_minor,
        fee_minor=fee_minor,
        total_debit_minor=draft.amount_minor + (fee_minor if charge and charge.payer is Payer.SENDER else 0),
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
    """Say what the account has and what all of its legs together would need."""
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


def charge_for(ledger: Ledger, source: MerchantIdentity, currency: Currency, kind: TransferKind, amount_minor: int) -> Charge:
    """Return what a movement costs by the schedule in force. Raises ``FeeNotConfigured``, ``FeeExceedsAmount``."""
    schedule = choose_schedule(ledger.book.schedules, merchant_id=source.id, currency=currency.code, kind=kind, at=ledger.now)
    if schedule is None:
        raise FeeNotConfigured(source.name, currency.code)
    return charge_by(schedule, currency, amount_minor)


def charge_by(schedule: Schedule, currency: Currency, amount_minor: int) -> Charge:
    """Return what a movement costs by this schedule. Raises ``FeeExceedsAmount`` if its receiver would pay more than they get."""
    fee_minor = calculate_fee(schedule, amount_minor)
    if schedule.payer is Payer.RECEIVER and fee_minor > amount_minor:
        raise FeeExceedsAmount(Money(amount_minor, currency), Money(fee_minor, currency))
    return Charge(schedule, fee_minor)


def fee_legs(payer: AccountState, fees: AccountState, fee_minor: int) -> list[Leg]:
    """Return the two legs of a fee; none for a fee of zero."""
    if fee_minor == 0:
        return []
    return [Leg(payer, EntryType.FEE, -fee_minor), Leg(fees, EntryType.FEE, fee_minor)]


def transfer_funds(command: TransferFunds, ledger: Ledger) -> Outcome:
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
    return Outcome(transfer=post_draft(ledger, draft, legs))


def register_merchant(command: RegisterMerchant, ledger: Ledger) -> Outcome:
    """Outside DEBIT opening balance, wallet CREDIT opening balance, if there is one."""
    merchant, currency = command.merchant, command.currency
    if merchant.id not in ledger.book.registered:
        raise MerchantExists(merchant.name)
    registered_at = ledger.book.registered[merchant.id]
    if registered_at is None:
        raise CurrencyInactive(currency.code if currency else "")
    registered = RegisteredMerchant(merchant, command.metadata, registered_at, command.display_name, command.receipt_email)
    if currency is None:
        return Outcome(merchant=registered)
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
    return Outcome(merchant=registered, transfer=transfer, account=ledger.snapshot(wallet, _nothing_held(wallet), currency))


def _nothing_held(wallet: AccountState) -> AccountState:
    """Return what stands for the held account of a wallet that has none yet."""
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


def open_account(command: OpenAccount, ledger: Ledger) -> Outcome:
    """No money moves; the wallet comes into being."""
    wallet = ledger.account(command.merchant, command.currency, AccountKind.WALLET)
    if wallet.exists:
        raise AccountExists(wallet.merchant_name, command.currency.code, wallet.id)
    ledger.check_open(wallet)
    ledger.check_in_use(command.currency)
    ledger.open(wallet, ledger.now)
    held = ledger.account(command.merchant, command.currency, AccountKind.HELD)
    return Outcome(account=ledger.snapshot(wallet, held, command.currency))


def deposit(command: Deposit, ledger: Ledger) -> Outcome:
    """Outside DEBIT amount, wallet CREDIT amount."""
    return _cross_border(command, ledger, TransferKind.DEPOSIT)


def withdraw(command: Withdraw, ledger: Ledger) -> Outcome:
    """Wallet DEBIT amount, outside CREDIT amount."""
    return _cross_border(command, ledger, TransferKind.WITHDRAWAL)


def _cross_border(command: Deposit | Withdraw, ledger: Ledger, kind: TransferKind) -> Outcome:
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
    return Outcome(transfer=transfer, account=ledger.snapshot(wallet, held, currency))


def settle_fees(command: SettleFees, ledger: Ledger) -> Outcome:
    """Fees DEBIT all there is, treasury CREDIT the same; nothing if there is nothing."""
    currency = command.currency
    fees = ledger.account(command.merchant, currency, AccountKind.FEES)
    treasury = ledger.account(command.treasury, currency, AccountKind.WALLET)
    amount_minor = fees.balance_minor
    if amount_minor == 0:
        return Outcome()
    draft = Draft(TransferKind.FEE_SETTLEMENT, command.merchant, command.treasury, fees, treasury, currency, amount_minor, command.details)
    legs = [Leg(fees, EntryType.FEE_SETTLEMENT, -amount_minor), Leg(treasury, EntryType.FEE_SETTLEMENT, amount_minor)]
    return Outcome(transfer=post_draft(ledger, draft, legs))
