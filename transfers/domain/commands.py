"""What may be asked of the posting engine, as plain data. Everything that moves money is one of these.

A command carries only facts that never change (identities, a posted original, the terms of a hold); what does change (balances,
states, how much was reversed) is read under lock by the store and given to ``plan`` in the ``Book``. ``accounts`` names every account
that the command may touch: all of them are locked, in id order, before anything is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct, field

from fees.domain import Payer, Schedule
from ledger_project.kernel.errors import LedgerError
from ledger_project.kernel.money import Currency
from merchants.domain import AccountKind, MerchantIdentity


class AccountKey(NamedTuple):
    """What identifies an account before one knows its id, and whether it exists.

    ``merchant`` is the integer of the merchant's id: Python compares and hashes UUIDs in Python, integers in C, and a posting looks its
    accounts up by these keys all the time.
    """

    merchant: int
    currency: str
    kind: AccountKind

    @property
    def merchant_id(self) -> UUID:
        """The merchant's id."""
        return UUID(int=self.merchant)


class Details(Struct, frozen=True):
    """What the caller wrote beside the money; kept with the transfer."""

    memo: str | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    external_reference: str | None = None
    principal: str = "anonymous"
    request_id: str = ""


class RegisterMerchant(Struct, frozen=True):
    """Register a merchant; with a currency also its wallet, and with an amount its opening balance."""

    merchant: MerchantIdentity
    metadata: Mapping[str, object]
    currency: Currency | None
    opening_minor: int
    details: Details
    display_name: str | None = None
    receipt_email: str | None = None

    def accounts(self) -> tuple[AccountKey, ...]:
        """The new merchant's wallet and its outside."""
        if self.currency is None:
            return ()
        code = self.currency.code
        return AccountKey(self.merchant.id.int, code, AccountKind.WALLET), AccountKey(self.merchant.id.int, code, AccountKind.EXTERNAL)


class OpenAccount(Struct, frozen=True):
    """Open a merchant's wallet in a currency."""

    merchant: MerchantIdentity
    currency: Currency

    def accounts(self) -> tuple[AccountKey, ...]:
        """The wallet, and what is held of it."""
        code = self.currency.code
        return AccountKey(self.merchant.id.int, code, AccountKind.WALLET), AccountKey(self.merchant.id.int, code, AccountKind.HELD)


class TransferFunds(Struct, frozen=True):
    """Move an amount from one merchant to another, with the fee that applies.

    ``target_currency`` differs from ``currency`` only where the caller named two accounts of different currencies.
    """

    source: MerchantIdentity
    target: MerchantIdentity
    currency: Currency
    amount_minor: int
    details: Details
    target_currency: str | None = None

    def accounts(self) -> tuple[AccountKey, ...]:
        """Both wallets and the sender's fee account; where a schedule has receivers pay, ``receiver_fees`` too."""
        code = self.currency.code
        return (
            AccountKey(self.source.id.int, code, AccountKind.WALLET),
            AccountKey(self.target.id.int, code, AccountKind.WALLET),
            AccountKey(self.source.id.int, code, AccountKind.FEES),
        )

    def receiver_fees(self) -> AccountKey:
        """The account of what the receiver pays in fees."""
        return AccountKey(self.target.id.int, self.currency.code, AccountKind.FEES)


class Deposit(Struct, frozen=True):
    """Bring money in from outside."""

    merchant: MerchantIdentity
    currency: Currency
    amount_minor: int
    details: Details

    def accounts(self) -> tuple[AccountKey, ...]:
        """The wallet, its outside, and what is held (the answer shows it)."""
        return _wallet_external_held(self.merchant, self.currency)


class Withdraw(Struct, frozen=True):
    """Send money outside."""

    merchant: MerchantIdentity
    currency: Currency
    amount_minor: int
    details: Details

    def accounts(self) -> tuple[AccountKey, ...]:
        """The wallet, its outside, and what is held (the answer shows it)."""
        return _wallet_external_held(self.merchant, self.currency)


def _wallet_external_held(merchant: MerchantIdentity, currency: Currency) -> tuple[AccountKey, ...]:
    kinds = (AccountKind.WALLET, AccountKind.EXTERNAL, AccountKind.HELD)
    return tuple(AccountKey(merchant.id.int, currency.code, kind) for kind in kinds)


class PlaceHold(Struct, frozen=True):
    """Reserve an amount, and the fee that its capture will cost."""

    hold_id: UUID
    source: MerchantIdentity
    target: MerchantIdentity
    currency: Currency
    amount_minor: int
    expires_in_s: int
    details: Details

    def accounts(self) -> tuple[AccountKey, ...]:
        """The payer's wallet and held account; the receiver's wallet for its state."""
        code = self.currency.code
        return (
            AccountKey(self.source.id.int, code, AccountKind.WALLET),
            AccountKey(self.source.id.int, code, AccountKind.HELD),
            AccountKey(self.target.id.int, code, AccountKind.WALLET),
        )


class HoldTerms(Struct, frozen=True):
    """What was agreed when a hold was placed; never changes. ``reserved_minor`` is the amount and the fee."""

    id: UUID
    source: MerchantIdentity
    target: MerchantIdentity
    currency: Currency
    amount_minor: int
    reserved_minor: int
    schedule: Schedule
    expires_at: datetime
    memo: str | None
    metadata: Mapping[str, object]
    created_at: datetime

    def accounts(self) -> tuple[AccountKey, ...]:
        """Where the reserved money is and everywhere it may go."""
        code = self.currency.code
        return (
            AccountKey(self.source.id.int, code, AccountKind.WALLET),
            AccountKey(self.source.id.int, code, AccountKind.HELD),
            AccountKey(self.source.id.int, code, AccountKind.FEES),
            AccountKey(self.target.id.int, code, AccountKind.WALLET),
            AccountKey(self.target.id.int, code, AccountKind.FEES),
        )


class CaptureHold(Struct, frozen=True):
    """Pay out of a hold, once; what is left over is released. Without an amount: all of it."""

    terms: HoldTerms
    amount_minor: int | None
    details: Details

    def accounts(self) -> tuple[AccountKey, ...]:
        """Those of the hold."""
        return self.terms.accounts()


class VoidHold(Struct, frozen=True):
    """Give a hold's money back on request."""

    terms: HoldTerms
    details: Details

    def accounts(self) -> tuple[AccountKey, ...]:
        """Those of the hold."""
        return self.terms.accounts()


class ExpireHold(Struct, frozen=True):
    """Give a hold's money back because its time ran out."""

    terms: HoldTerms
    details: Details

    def accounts(self) -> tuple[AccountKey, ...]:
        """Those of the hold."""
        return self.terms.accounts()


class Original(Struct, frozen=True):
    """A posted transfer that somebody wants reversed; never changes. Its fee went from the payer's wallet to the payer's fees."""

    id: UUID
    kind: str
    source: MerchantIdentity | None
    target: MerchantIdentity | None
    currency: Currency
    amount_minor: int
    fee_minor: int
    payer: Payer


class ReverseTransfer(Struct, frozen=True):
    """Send money back where it came from, all that is left or part of it, on request with the fee in proportion.

    ``treasury`` covers the part of a refunded fee that ``settle_fees`` has swept already.
    """

    original: Original
    amount_minor: int | None
    refund_fee: bool
    treasury: MerchantIdentity | None
    details: Details

    def accounts(self) -> tuple[AccountKey, ...]:
        """Both wallets; with a refund the payer's fees and the treasury."""
        original, code = self.original, self.original.currency.code
        if original.source is None or original.target is None:
            return ()
        keys = [AccountKey(original.source.id.int, code, AccountKind.WALLET), AccountKey(original.target.id.int, code, AccountKind.WALLET)]
        if self.refund_fee:
            payer = original.source if original.payer is Payer.SENDER else original.target
            keys.append(AccountKey(payer.id.int, code, AccountKind.FEES))
            if self.treasury is not None:
                keys.append(AccountKey(self.treasury.id.int, code, AccountKind.WALLET))
        return tuple(keys)


class SettleFees(Struct, frozen=True):
    """Sweep what a merchant has paid in fees into the treasury's wallet."""

    merchant: MerchantIdentity
    treasury: MerchantIdentity
    currency: Currency
    details: Details

    def accounts(self) -> tuple[AccountKey, ...]:
        """The fees account and the treasury's wallet."""
        code = self.currency.code
        return AccountKey(self.merchant.id.int, code, AccountKind.FEES), AccountKey(self.treasury.id.int, code, AccountKind.WALLET)


class Refuse(Struct, frozen=True):
    """Remember a refusal that needed no lock to be known (an unknown merchant, say), so that its key gives the same answer again."""

    error: LedgerError

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
