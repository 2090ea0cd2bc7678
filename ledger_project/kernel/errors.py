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
from typing import ClassVar
from uuid import UUID


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
