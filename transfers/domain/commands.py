"""The commands of the posting engine, as plain data. Only a command moves money.

A command carries facts that never change: identities, a posted original, the terms of a hold. The
store reads facts that do change (balances, states, earlier reversals) under lock and gives them to
``plan`` in the ``Book``. ``accounts`` names every account that the command may touch. All of them
are locked, in id order, before anything is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct, field

from fees.domain import Payer, Schedule
from ledger_project.kernel.errors import LedgerError
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import AccountKind, MerchantIdentity
from transfers.domain.refusals import Wanted


class AccountKey(NamedTuple):
    """The key of an account, which it has before it has an id, and before it exists.

    ``merchant`` is the integer of the merchant's id: Python compares integers faster than UUIDs.
    """

    merchant: int
    currency: str
    kind: AccountKind

    @property
    def merchant_id(self) -> UUID:
        """The merchant's id."""
        return UUID(int=self.merchant)


def _accounts_of(merchant: MerchantIdentity, currency: CurrencyUnit, *kinds: AccountKind) -> tuple[AccountKey, ...]:
    return tuple(AccountKey(merchant.id.int, currency.code, kind) for kind in kinds)


class Details(Struct, frozen=True):
    """The caller's own words about a transfer, and who calls. The transfer keeps them."""

    memo: str | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    external_reference: str | None = None
    principal: str = "anonymous"
    request_id: str = ""


class RegisterMerchant(Struct, frozen=True):
    """Register a merchant.

    With a currency, the merchant gets a wallet. With an amount, the wallet gets an opening balance.
    """

    merchant: MerchantIdentity
    metadata: Mapping[str, object]
    currency: CurrencyUnit | None
    opening_minor: int
    details: Details
    display_name: str | None = None
    receipt_email: str | None = None

    def accounts(self) -> tuple[AccountKey, ...]:
        """The new merchant's wallet and its outside; none without a currency."""
        if self.currency is None:
            return ()
        return _accounts_of(self.merchant, self.currency, AccountKind.WALLET, AccountKind.EXTERNAL)


class OpenAccount(Struct, frozen=True):
    """Open a merchant's wallet in a currency."""

    merchant: MerchantIdentity
    currency: CurrencyUnit

    def accounts(self) -> tuple[AccountKey, ...]:
        """The wallet and the held account."""
        return _accounts_of(self.merchant, self.currency, AccountKind.WALLET, AccountKind.HELD)


class TransferFunds(Struct, frozen=True):
    """Move an amount from one merchant to another, with the fee that applies.

    ``target_currency`` differs from ``currency`` only if the caller named two accounts of different
    currencies.
    """

    source: MerchantIdentity
    target: MerchantIdentity
    currency: CurrencyUnit
    amount_minor: int
    details: Details
    target_currency: str | None = None

    def accounts(self) -> tuple[AccountKey, ...]:
        """Both wallets and the sender's fee account.

        If a schedule has receivers pay, the command needs ``receiver_fees`` too.
        """
        code = self.currency.code
        return (
            AccountKey(self.source.id.int, code, AccountKind.WALLET),
            AccountKey(self.target.id.int, code, AccountKind.WALLET),
            AccountKey(self.source.id.int, code, AccountKind.FEES),
        )

    def receiver_fees(self) -> AccountKey:
        """The receiver's fee account."""
        return AccountKey(self.target.id.int, self.currency.code, AccountKind.FEES)


class Deposit(Struct, frozen=True):
    """Bring money from outside into a wallet."""

    merchant: MerchantIdentity
    currency: CurrencyUnit
    amount_minor: int
    details: Details

    def accounts(self) -> tuple[AccountKey, ...]:
        """The wallet, its outside, and the held account, which the answer shows."""
        return _accounts_of(self.merchant, self.currency, AccountKind.WALLET, AccountKind.EXTERNAL, AccountKind.HELD)


class Withdraw(Struct, frozen=True):
    """Send money from a wallet to the outside."""

    merchant: MerchantIdentity
    currency: CurrencyUnit
    amount_minor: int
    details: Details

    def accounts(self) -> tuple[AccountKey, ...]:
        """The wallet, its outside, and the held account, which the answer shows."""
        return _accounts_of(self.merchant, self.currency, AccountKind.WALLET, AccountKind.EXTERNAL, AccountKind.HELD)


class PlaceHold(Struct, frozen=True):
    """Reserve an amount and the fee of its capture."""

    hold_id: UUID
    source: MerchantIdentity
    target: MerchantIdentity
    currency: CurrencyUnit
    amount_minor: int
    expires_in_s: int
    details: Details

    def accounts(self) -> tuple[AccountKey, ...]:
        """The payer's wallet and held account. The receiver's wallet, for its state."""
        payers = _accounts_of(self.source, self.currency, AccountKind.WALLET, AccountKind.HELD)
        return payers + _accounts_of(self.target, self.currency, AccountKind.WALLET)


class HoldTerms(Struct, frozen=True):
    """The terms of a hold; they never change.

    ``reserved_minor`` is the amount and the fee that the payer owes for it.
    """

    id: UUID
    source: MerchantIdentity
    target: MerchantIdentity
    currency: CurrencyUnit
    amount_minor: int
    reserved_minor: int
    schedule: Schedule
    expires_at: datetime
    memo: str | None
    metadata: Mapping[str, object]
    created_at: datetime

    def accounts(self) -> tuple[AccountKey, ...]:
        """The account of the reserved money, and all accounts that it may go to."""
        payers = _accounts_of(self.source, self.currency, AccountKind.WALLET, AccountKind.HELD, AccountKind.FEES)
        return payers + _accounts_of(self.target, self.currency, AccountKind.WALLET, AccountKind.FEES)


class CaptureHold(Struct, frozen=True):
    """Pay out of a hold, once, and release the rest. Without an amount, all of it is paid."""

    terms: HoldTerms
    amount_minor: int | None
    details: Details

    def accounts(self) -> tuple[AccountKey, ...]:
        """The accounts of the hold."""
        return self.terms.accounts()


class VoidHold(Struct, frozen=True):
    """Give the money of a hold back on request."""

    terms: HoldTerms
    details: Details

    def accounts(self) -> tuple[AccountKey, ...]:
        """The accounts of the hold."""
        return self.terms.accounts()


class ExpireHold(Struct, frozen=True):
    """Give the money of a hold back because its time ran out."""

    terms: HoldTerms
    details: Details

    def accounts(self) -> tuple[AccountKey, ...]:
        """The accounts of the hold."""
        return self.terms.accounts()


class Original(Struct, frozen=True):
    """A posted transfer that is to be reversed; it never changes.

    Its fee went from the wallet of ``payer`` to the fee account of ``payer``.
    """

    id: UUID
    kind: str
    source: MerchantIdentity | None
    target: MerchantIdentity | None
    currency: CurrencyUnit
    amount_minor: int
    fee_minor: int
    payer: Payer


class ReverseTransfer(Struct, frozen=True):
    """Send the money of a transfer back: all that is not yet reversed, or an amount of it.

    With ``refund_fee``, the fee goes back in proportion. ``treasury`` pays the part of the refund
    that ``settle_fees`` has already swept.
    """

    original: Original
    amount_minor: int | None
    refund_fee: bool
    treasury: MerchantIdentity | None
    details: Details

    def accounts(self) -> tuple[AccountKey, ...]:
        """Both wallets. With a refund, also the payer's fee account and the treasury's wallet."""
        original, currency = self.original, self.original.currency
        if original.source is None or original.target is None:
            return ()
        keys = _accounts_of(original.source, currency, AccountKind.WALLET) + _accounts_of(original.target, currency, AccountKind.WALLET)
        if self.refund_fee:
            payer = original.source if original.payer is Payer.SENDER else original.target
            keys += _accounts_of(payer, currency, AccountKind.FEES)
            if self.treasury is not None:
                keys += _accounts_of(self.treasury, currency, AccountKind.WALLET)
        return keys


class SettleFees(Struct, frozen=True):
    """Sweep the fees that a merchant has paid into the treasury's wallet."""

    merchant: MerchantIdentity
    treasury: MerchantIdentity
    currency: CurrencyUnit
    details: Details

    def accounts(self) -> tuple[AccountKey, ...]:
        """The merchant's fee account and the treasury's wallet."""
        fees = _accounts_of(self.merchant, self.currency, AccountKind.FEES)
        return fees + _accounts_of(self.treasury, self.currency, AccountKind.WALLET)


class Refuse(Struct, frozen=True):
    """Store a refusal that is known without a lock, so that its key gives the same answer again."""

    error: LedgerError
    wanted: Wanted | None = None

    def accounts(self) -> tuple[AccountKey, ...]:
        """None."""
        return ()


Command = (
    RegisterMerchant
    | OpenAccount
    | TransferFunds
    | Deposit
    | Withdraw
    | PlaceHold
    | CaptureHold
    | VoidHold
    | ExpireHold
    | ReverseTransfer
    | SettleFees
    | Refuse
)
