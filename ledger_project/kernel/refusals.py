"""Every decision against a request where the money is. ``errors.py`` draws the classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar
from uuid import UUID

from ledger_project.kernel.errors import LedgerError
from ledger_project.kernel.money import Money


class Refusal(LedgerError):
    """A decision made where the money is. Its answer is stored under the idempotency key."""


class MerchantNotFound(Refusal):
    """No merchant has that name."""

    code = "merchant_not_found"
    title = "Merchant not found"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no merchant named {name!r}.")
        self.name = name

    def extra(self) -> Mapping[str, object]:
        return {"merchant_name": self.name}


class _IdNotFound(Refusal):
    noun: ClassVar[str]

    def __init__(self, object_id: UUID | str) -> None:
        super().__init__(f"There is no {self.noun} {object_id}.")
        self.object_id = str(object_id)

    def extra(self) -> Mapping[str, object]:
        return {f"{self.noun}_id": self.object_id}


class AccountNotFound(_IdNotFound):
    """No account has that id."""

    code = "account_not_found"
    title = "Account not found"
    noun = "account"


class TransferNotFound(_IdNotFound):
    """No transfer has that id."""

    code = "transfer_not_found"
    title = "Transfer not found"
    noun = "transfer"


class HoldNotFound(_IdNotFound):
    """No hold has that id."""

    code = "hold_not_found"
    title = "Hold not found"
    noun = "hold"


class MerchantExists(Refusal):
    """The name is taken, regardless of case."""

    code = "merchant_exists"
    title = "Merchant exists"

    def __init__(self, name: str) -> None:
        super().__init__(f"A merchant named {name!r} exists already (names are unique regardless of case).")


class AccountExists(Refusal):
    """The merchant has an account in that currency."""

    code = "account_exists"
    title = "Account exists"

    def __init__(self, merchant_name: str, currency: str, account_id: UUID) -> None:
        super().__init__(f"{merchant_name} has an account in {currency} already: {account_id}.")
        self.account_id = account_id

    def extra(self) -> Mapping[str, object]:
        return {"account_id": str(self.account_id)}


class _AccountState(Refusal):
    state: ClassVar[str]

    def __init__(self, merchant_name: str, currency: str | None = None) -> None:
        whose = merchant_name if currency is None else f"The {currency} account of {merchant_name}"
        super().__init__(f"{whose} is {self.state}; no money moves in or out.")
        self.merchant_name, self.currency = merchant_name, currency

    def extra(self) -> Mapping[str, object]:
        """Whose account; without a currency the merchant as a whole is meant."""
        return {"merchant_name": self.merchant_name} | ({} if self.currency is None else {"currency": self.currency})


class AccountFrozen(_AccountState):
    """The account or its merchant is frozen."""

    code = "account_frozen"
    title = "Account frozen"
    state = "frozen"


class AccountClosed(_AccountState):
    """The account or its merchant is closed."""

    code = "account_closed"
    title = "Account closed"
    state = "closed"


class AccountNotEmpty(Refusal):
    """The merchant has money or open holds, so it cannot be closed."""

    code = "account_not_empty"
    title = "Account not empty"

    def __init__(self, merchant_name: str, *, currencies: Sequence[str], open_holds: int) -> None:
        money = f"money in {', '.join(currencies)}" if currencies else ""
        holds = f"{open_holds} open hold{'' if open_holds == 1 else 's'}" if open_holds else ""
        super().__init__(f"{merchant_name} has {' and '.join(filter(None, [money, holds]))}; it is closed when it has neither.")
        self.merchant_name, self.currencies, self.open_holds = merchant_name, tuple(currencies), open_holds

    def extra(self) -> Mapping[str, object]:
        """The currencies with money, spendable, held or owed, and the number of open holds."""
        return {"merchant_name": self.merchant_name, "currencies": list(self.currencies), "open_holds": self.open_holds}


class CurrencyInactive(Refusal):
    """Operators have switched the currency off: money can leave it, nothing new comes in."""

    code = "currency_inactive"
    title = "Currency inactive"

    def __init__(self, currency: str) -> None:
        super().__init__(f"{currency} is switched off: what it holds can be withdrawn, sent back, captured and voided; nothing new begins.")
        self.currency = currency

    def extra(self) -> Mapping[str, object]:
        return {"currency": self.currency}


class CurrencyMismatch(Refusal):
    """The two accounts, or the account and the request, are of different currencies."""

    code = "currency_mismatch"
    title = "Currency mismatch"

    def __init__(self, source: str, target: str) -> None:
        super().__init__(f"Money does not change its currency on the way: {source} on one side, {target} on the other.")


class FeeNotConfigured(Refusal):
    """No fee schedule applies. A waiver is a schedule of zero, not a missing one."""

    code = "fee_not_configured"
    title = "Fee not configured"

    def __init__(self, merchant_name: str, currency: str) -> None:
        super().__init__(f"No fee schedule applies to {merchant_name} in {currency}; an operator must add one (zero for a waiver).")


class FeeExceedsAmount(Refusal):
    """The receiver pays the fee, and it is more than the amount."""

    code = "fee_exceeds_amount"
    title = "Fee exceeds amount"

    def __init__(self, amount: Money, fee: Money) -> None:
        super().__init__(f"The receiver pays the fee of {fee}, which is more than the amount of {amount}.")
        self.amount, self.fee = amount, fee

    def extra(self) -> Mapping[str, object]:
        return {"currency": self.amount.currency.code, "amount": self.amount, "fee": self.fee}


class DuplicateExternalReference(Refusal):
    """The account has a transfer with that external reference already."""

    code = "duplicate_external_reference"
    title = "Duplicate external reference"

    def __init__(self, reference: str, transfer_id: UUID) -> None:
        super().__init__(f"The external reference {reference!r} was used on this account by transfer {transfer_id}.")
        self.reference, self.transfer_id = reference, transfer_id

    def extra(self) -> Mapping[str, object]:
        return {"external_reference": self.reference, "transfer_id": str(self.transfer_id)}


class InsufficientFunds(Refusal):
    """The account would fall below zero, or below its overdraft limit."""

    code = "insufficient_funds"
    title = "Insufficient funds"

    def __init__(self, merchant_name: str, *, available: Money, amount: Money, fee: Money, overdraft_limit: Money | None = None) -> None:
        required = type(amount)(amount.minor + fee.minor, amount.currency)
        parts = f" ({amount.major} + fee {fee.major})" if fee.minor else ""
        overdraft = overdraft_limit if overdraft_limit is not None and overdraft_limit.minor else None
        beside = "" if overdraft is None else f" and may overdraw by {overdraft.major}"
        super().__init__(f"{merchant_name} holds {available}{beside}; {required.major} is needed{parts}.")
        self.available, self.required, self.fee, self.overdraft_limit = available, required, fee, overdraft

    def extra(self) -> Mapping[str, object]:
        """What there is and what is needed. ``available`` does not contain the overdraft limit."""
        overdraft = {} if self.overdraft_limit is None else {"overdraft_limit": self.overdraft_limit}
        amounts = {"available": self.available, "required": self.required, "fee": self.fee}
        return {"currency": self.available.currency.code, **amounts, **overdraft}


class BalanceLimitExceeded(Refusal):
    """The credit would pass the largest balance that an account can hold."""

    code = "balance_limit_exceeded"
    title = "Balance limit exceeded"

    def __init__(self, merchant_name: str, currency: str) -> None:
        super().__init__(f"The {currency} account of {merchant_name} would pass the largest balance of 10^38 - 1 minor units.")


class AlreadyReversed(Refusal):
    """The transfer was reversed in full."""

    code = "already_reversed"
    title = "Already reversed"

    def __init__(self, transfer_id: UUID) -> None:
        super().__init__(f"Transfer {transfer_id} was reversed in full already.")


class ReversalExceedsOriginal(Refusal):
    """The amount is more than what is left of the original."""

    code = "reversal_exceeds_original"
    title = "Reversal exceeds original"

    def __init__(self, *, remaining: Money, requested: Money) -> None:
        super().__init__(f"{remaining} of the original can still be reversed; {requested.major} was asked for.")
        self.remaining, self.requested = remaining, requested

    def extra(self) -> Mapping[str, object]:
        return {"currency": self.remaining.currency.code, "remaining": self.remaining, "requested": self.requested}


class NotReversible(Refusal):
    """Only transfers and captures can be reversed."""

    code = "not_reversible"
    title = "Not reversible"

    def __init__(self, kind: str) -> None:
        super().__init__(f"A {kind} cannot be reversed; transfers and captures can.")


class HoldNotOpen(Refusal):
    """The hold was captured or voided."""

    code = "hold_not_open"
    title = "Hold not open"

    def __init__(self, hold_id: UUID, status: str) -> None:
        super().__init__(f"Hold {hold_id} is {status}.")
        self.status = status

    def extra(self) -> Mapping[str, object]:
        return {"hold_status": self.status}


class HoldExpired(Refusal):
    """The time of the hold is over."""

    code = "hold_expired"
    title = "Hold expired"

    def __init__(self, hold_id: UUID, expires_at: str) -> None:
        super().__init__(f"Hold {hold_id} expired at {expires_at}.")


class CaptureExceedsHold(Refusal):
    """The capture is of more than the hold."""

    code = "capture_exceeds_hold"
    title = "Capture exceeds hold"

    def __init__(self, *, held: Money, requested: Money) -> None:
        super().__init__(f"The hold is of {held}; {requested.major} was to be captured.")
        self.held, self.requested = held, requested

    def extra(self) -> Mapping[str, object]:
        return {"currency": self.held.currency.code, "held": self.held, "requested": self.requested}
