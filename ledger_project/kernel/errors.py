"""Every way in which the ledger says no, as one tree: a class a code, an instance carrying the data of its case.

::

    LedgerError
    ├── InvalidRequest              the request itself is wrong; nothing is remembered, its idempotency key stays free
    │   ├── ValidationFailed            validation_error, with one FieldError for each thing that is wrong
    │   ├── UnknownCurrency             unknown_currency
    │   ├── SameAccount                 same_account
    │   ├── InvalidCursor               invalid_cursor
    │   ├── MalformedJson               malformed_json
    │   ├── IdempotencyKeyMissing       idempotency_key_missing
    │   ├── IdempotencyKeyInvalid       idempotency_key_invalid
    │   ├── PayloadTooLarge             payload_too_large
    │   ├── UnsupportedMediaType        unsupported_media_type
    │   ├── MethodNotAllowed            method_not_allowed
    │   └── RouteNotFound               not_found
    ├── Refusal                     a decision made where the money is; remembered under the idempotency key
    │   ├── MerchantNotFound, AccountNotFound, TransferNotFound, HoldNotFound
    │   ├── MerchantExists, AccountExists
    │   ├── AccountFrozen, AccountClosed, AccountNotEmpty
    │   ├── CurrencyInactive, CurrencyMismatch
    │   ├── FeeNotConfigured, FeeExceedsAmount
    │   ├── DuplicateExternalReference
    │   ├── InsufficientFunds, BalanceLimitExceeded
    │   ├── AlreadyReversed, ReversalExceedsOriginal, NotReversible
    │   └── HoldNotOpen, HoldExpired, CaptureExceedsHold
    ├── IdempotencyKeyReused        idempotency_key_reused: the key belongs to another request
    └── Unavailable                 not now; nothing was decided or nothing is known yet, repeating with the same key is safe
        ├── IdempotencyInProgress       idempotency_in_progress
        ├── AccountBusy                 account_busy: somebody else holds the lock of an account; nothing happened
        └── DatabaseUnavailable         database_unavailable (also: the queue is full, the service is stopping)
            ├── ClocksDiffer                the clocks of database and process
            └── AccountAheadOfClock         the last entry of one account

``InvalidAmount`` is a ``ValueError``: the field that holds the amount turns it into a ``FieldError``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

if TYPE_CHECKING:
    from ledger_project.kernel.money import Money


class InvalidAmount(ValueError):
    """An amount that cannot be moved: the message says what would be right, ``code`` is the field error's code."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class LedgerError(Exception):
    """Root of all errors that callers are told about.

    ``code`` is the contract's name of the case, ``title`` its short human name, ``str(error)`` the detail for this instance, and
    ``extra()`` the members that the answer carries beside them; a ``Money`` value becomes the twin ``name`` and ``name_minor``.
    """

    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"

    def extra(self) -> Mapping[str, object]:
        """Members of the answer beside code, title and detail."""
        return {}


# --- InvalidRequest ---------------------------------------------------------------------------------------------------------


class InvalidRequest(LedgerError):
    """The request itself is wrong. Nothing is stored under its key."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field: its path (``transfers.3.amount``), a short code, and a sentence."""

    field: str
    code: str
    detail: str


class ValidationFailed(InvalidRequest):
    """One or more fields are wrong."""

    code = "validation_error"
    title = "Validation failed"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field}: {error.detail}" for error in errors))
        self.errors = tuple(errors)

    @classmethod
    def of(cls, field: str, code: str, detail: str) -> ValidationFailed:
        """The common case of a single wrong field."""
        return cls([FieldError(field, code, detail)])

    def extra(self) -> Mapping[str, object]:
        """The list of wrong fields."""
        return {"errors": [{"field": e.field, "code": e.code, "detail": e.detail} for e in self.errors]}


class UnknownCurrency(InvalidRequest):
    """The code is not a currency that this ledger keeps."""

    code = "unknown_currency"
    title = "Unknown currency"

    def __init__(self, currency: str) -> None:
        super().__init__(f"{currency!r} is not a currency of this ledger; codes are upper case, as in 'USD' or 'BTC'.")


class SameAccount(InvalidRequest):
    """Source and target are one and the same."""

    code = "same_account"
    title = "Same account"

    def __init__(self) -> None:
        super().__init__("Source and target are the same; a transfer needs two different accounts.")


class InvalidCursor(InvalidRequest):
    """A cursor that this list did not hand out, or that belongs to other filters."""

    code = "invalid_cursor"
    title = "Invalid cursor"

    def __init__(self) -> None:
        super().__init__("The cursor is not one that this list returned for these filters; start again without it.")


class MalformedJson(InvalidRequest):
    """The body is not JSON, or is nested too deeply."""

    code = "malformed_json"
    title = "Malformed JSON"


class IdempotencyKeyMissing(InvalidRequest):
    """The call moves money, so it needs a key."""

    code = "idempotency_key_missing"
    title = "Idempotency-Key missing"

    def __init__(self) -> None:
        super().__init__("This call moves money: send an Idempotency-Key header, the same one for each retry of one request.")


class IdempotencyKeyInvalid(InvalidRequest):
    """The key is empty, too long, has characters that are not visible ASCII, or is sent twice."""

    code = "idempotency_key_invalid"
    title = "Idempotency-Key invalid"

    def __init__(
        self, detail: str = "An Idempotency-Key is 1 to 255 visible ASCII characters, bare or as an RFC 8941 quoted string."
    ) -> None:
        super().__init__(detail)


class PayloadTooLarge(InvalidRequest):
    """The body is over the limit."""

    code = "payload_too_large"
    title = "Payload too large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The body is larger than {limit_bytes} bytes.")


class UnsupportedMediaType(InvalidRequest):
    """The body is of a type, or in an encoding, that this service does not read."""

    code = "unsupported_media_type"
    title = "Unsupported media type"

    def __init__(self, media_type: str, *, encoding: str | None = None) -> None:
        if encoding is None:
            super().__init__(f"{media_type!r} is not supported; send application/json in UTF-8.")
        else:
            super().__init__(f"Content-Encoding {encoding[:40]!r} is not supported; send the body as it is, without compression.")


class NotAcceptable(InvalidRequest):
    """The Accept header admits none of the forms in which the thing can be shown."""

    code = "not_acceptable"
    title = "Not acceptable"

    def __init__(self, forms: Sequence[str], reason: str | None = None) -> None:
        because = f"{reason}; " if reason else ""
        super().__init__(f"{because}the Accept header admits none of the forms that there are: {', '.join(forms)}.")
        self.forms = tuple(forms)

    def extra(self) -> Mapping[str, object]:
        """What can be asked for instead."""
        return {"acceptable": list(self.forms)}


class MethodNotAllowed(InvalidRequest):
    """The route exists, the method does not."""

    code = "method_not_allowed"
    title = "Method not allowed"

    def __init__(self, method: str) -> None:
        super().__init__(f"{method} is not allowed here; see the Allow header.")


class RouteNotFound(InvalidRequest):
    """There is nothing under this path."""

    code = "not_found"
    title = "Not found"

    def __init__(self, path: str) -> None:
        super().__init__(f"There is nothing at {path}; /docs lists every call.")


# --- Refusal: existence -----------------------------------------------------------------------------------------------------


class Refusal(LedgerError):
    """A decision made where the money is: stored under the idempotency key, the same answer for the key's life."""


class MerchantNotFound(Refusal):
    """No merchant has that name."""

    code = "merchant_not_found"
    title = "Merchant not found"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no merchant named {name!r}.")
        self.name = name

    def extra(self) -> Mapping[str, object]:
        """Which name was asked for."""
        return {"merchant_name": self.name}


class _IdNotFound(Refusal):
    noun: ClassVar[str]

    def __init__(self, object_id: UUID | str) -> None:
        super().__init__(f"There is no {self.noun} {object_id}.")
        self.object_id = str(object_id)

    def extra(self) -> Mapping[str, object]:
        """Which id was asked for."""
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
        """The account that is there."""
        return {"account_id": str(self.account_id)}


# --- Refusal: state and currency --------------------------------------------------------------------------------------------


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
    """A merchant with money or open holds is not closed."""

    code = "account_not_empty"
    title = "Account not empty"

    def __init__(self, merchant_name: str, *, currencies: Sequence[str], open_holds: int) -> None:
        money = f"money in {', '.join(currencies)}" if currencies else ""
        holds = f"{open_holds} open hold{'' if open_holds == 1 else 's'}" if open_holds else ""
        super().__init__(f"{merchant_name} has {' and '.join(filter(None, [money, holds]))}; it is closed when it has neither.")
        self.merchant_name, self.currencies, self.open_holds = merchant_name, tuple(currencies), open_holds

    def extra(self) -> Mapping[str, object]:
        """In which currencies there is money, spendable, held or owed, and how many holds are open."""
        return {"merchant_name": self.merchant_name, "currencies": list(self.currencies), "open_holds": self.open_holds}


class CurrencyInactive(Refusal):
    """Operators have switched the currency off: what it holds can leave, nothing new comes in."""

    code = "currency_inactive"
    title = "Currency inactive"

    def __init__(self, currency: str) -> None:
        super().__init__(f"{currency} is switched off: what it holds can be withdrawn, sent back, captured and voided; nothing new begins.")
        self.currency = currency

    def extra(self) -> Mapping[str, object]:
        """Which currency."""
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
    """The receiver pays, and would pay more than they get."""

    code = "fee_exceeds_amount"
    title = "Fee exceeds amount"

    def __init__(self, amount: Money, fee: Money) -> None:
        super().__init__(f"The receiver pays the fee of {fee}, which is more than the amount of {amount}.")
        self.amount, self.fee = amount, fee

    def extra(self) -> Mapping[str, object]:
        """Both amounts."""
        return {"currency": self.amount.currency.code, "amount": self.amount, "fee": self.fee}


class DuplicateExternalReference(Refusal):
    """The account has a transfer with that external reference already."""

    code = "duplicate_external_reference"
    title = "Duplicate external reference"

    def __init__(self, reference: str, transfer_id: UUID) -> None:
        super().__init__(f"The external reference {reference!r} was used on this account by transfer {transfer_id}.")
        self.reference, self.transfer_id = reference, transfer_id

    def extra(self) -> Mapping[str, object]:
        """The first transfer."""
        return {"external_reference": self.reference, "transfer_id": str(self.transfer_id)}


# --- Refusal: funds ---------------------------------------------------------------------------------------------------------


class InsufficientFunds(Refusal):
    """The account would fall below what it may hold."""

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
        """What there is and what would be needed; the overdraft limit only where there is one: ``available`` does not contain it."""
        overdraft = {} if self.overdraft_limit is None else {"overdraft_limit": self.overdraft_limit}
        return {
            "currency": self.available.currency.code,
            "available": self.available,
            "required": self.required,
            "fee": self.fee,
            **overdraft,
        }


class BalanceLimitExceeded(Refusal):
    """The credit would pass the largest balance that an account can hold."""

    code = "balance_limit_exceeded"
    title = "Balance limit exceeded"

    def __init__(self, merchant_name: str, currency: str) -> None:
        super().__init__(f"The {currency} account of {merchant_name} would pass the largest balance of 10^38 - 1 minor units.")


# --- Refusal: reversals and holds -------------------------------------------------------------------------------------------


class AlreadyReversed(Refusal):
    """The transfer was reversed in full."""

    code = "already_reversed"
    title = "Already reversed"

    def __init__(self, transfer_id: UUID) -> None:
        super().__init__(f"Transfer {transfer_id} was reversed in full already.")


class ReversalExceedsOriginal(Refusal):
    """More is asked back than is left of the original."""

    code = "reversal_exceeds_original"
    title = "Reversal exceeds original"

    def __init__(self, *, remaining: Money, requested: Money) -> None:
        super().__init__(f"{remaining} of the original can still be reversed; {requested.major} was asked for.")
        self.remaining, self.requested = remaining, requested

    def extra(self) -> Mapping[str, object]:
        """What is left."""
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
        """What became of it."""
        return {"hold_status": self.status}


class HoldExpired(Refusal):
    """The hold ran out."""

    code = "hold_expired"
    title = "Hold expired"

    def __init__(self, hold_id: UUID, expires_at: str) -> None:
        super().__init__(f"Hold {hold_id} expired at {expires_at}.")


class CaptureExceedsHold(Refusal):
    """More is captured than was held."""

    code = "capture_exceeds_hold"
    title = "Capture exceeds hold"

    def __init__(self, *, held: Money, requested: Money) -> None:
        super().__init__(f"The hold is of {held}; {requested.major} was to be captured.")
        self.held, self.requested = held, requested

    def extra(self) -> Mapping[str, object]:
        """What there is."""
        return {"currency": self.held.currency.code, "held": self.held, "requested": self.requested}


# --- around the key and the service -----------------------------------------------------------------------------------------


class IdempotencyKeyReused(LedgerError):
    """The key was used for another request: other method, path or body."""

    code = "idempotency_key_reused"
    title = "Idempotency-Key reused"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for a different request; a new request needs a new key.")


class Unavailable(LedgerError):
    """Not now. Repeating the request with the same key is safe; ``retry_after_s`` says when."""

    def __init__(self, detail: str, *, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class IdempotencyInProgress(Unavailable):
    """The first request with this key is still running."""

    code = "idempotency_in_progress"
    title = "Request in progress"

    def __init__(self) -> None:
        super().__init__("The first request with this Idempotency-Key is still running; ask again to get its answer.")


class AccountBusy(Unavailable):
    """Somebody else holds the lock of an account that this request needs; nothing of the request happened."""

    code = "account_busy"
    title = "Account busy"

    def __init__(self) -> None:
        super().__init__("Another session holds the lock of an account of this request; nothing happened. Repeat it with the same key.")


class DatabaseUnavailable(Unavailable):
    """The database does not answer, the queue is full, or the service is stopping."""

    code = "database_unavailable"
    title = "Service unavailable"


class ClocksDiffer(DatabaseUnavailable):
    """The clocks of the database and of this process are too far apart: one of them is wrong, and nobody knows which."""

    def __init__(self, difference_s: float) -> None:
        super().__init__(
            f"The clocks of the database and of the service differ by {difference_s:.1f} s; nothing is posted until they agree. "
            "Repeat the request with the same Idempotency-Key.",
            retry_after_s=10,
        )
        self.difference_s = difference_s


class AccountAheadOfClock(DatabaseUnavailable):
    """The last entry of an account is too far in the future: its next entries, and those of whom it pays, would be there too."""

    def __init__(self, account_id: UUID, last_at: str) -> None:
        super().__init__(
            "The last entry of an account of this request has a time in the future; nothing is posted to it until then. "
            "Other accounts are not affected.",
            retry_after_s=10,
        )
        self.account_id, self.last_at = account_id, last_at
