"""Every way in which the ledger refuses a request, as one tree.

A class has a code of the contract, an instance has the data of its case. All classes are drawn::

    LedgerError
    ├── InvalidRequest          the request is wrong; nothing is stored, its key stays free
    │   ├── ValidationFailed, UnknownCurrency, SameAccount, InvalidCursor, MalformedJson
    │   ├── IdempotencyKeyMissing, IdempotencyKeyInvalid, UrlNotAllowed
    │   ├── PayloadTooLarge, UnsupportedMediaType, NotAcceptable
    │   ├── MethodNotAllowed, RouteNotFound
    │   └── RequestTimeout          in http/limits.py
    ├── AccessRefused           the caller may not do this; nothing is stored. In actors.py
    │   ├── NotAuthenticated        a credential is needed, and there is none
    │   ├── InvalidToken            unknown, expired, revoked, or for another service: never which
    │   ├── PermissionDenied        a good credential that may not do this
    │   └── RateLimited             too many requests, with the seconds to wait
    ├── Refusal                 decided where the money is; stored under the key. In refusals.py
    │   ├── MerchantNotFound, AccountNotFound, TransferNotFound, HoldNotFound
    │   ├── WebhookNotFound, MerchantExists, AccountExists
    │   ├── AccountFrozen, AccountClosed, AccountNotEmpty, CurrencyInactive, CurrencyMismatch
    │   ├── FeeNotConfigured, FeeExceedsAmount
    │   ├── DuplicateExternalReference
    │   ├── InsufficientFunds, BalanceLimitExceeded
    │   ├── AlreadyReversed, ReversalExceedsOriginal, NotReversible
    │   ├── HoldNotOpen, HoldExpired, CaptureExceedsHold
    │   ├── PayerShortOfFunds, EventNotFound, UserNotFound, UserExists      in the apps
    │   └── ApprovalNotFound, ApprovalDecided, ApprovalRequired
    ├── IdempotencyKeyReused    the key belongs to another request
    ├── Unavailable             not now; repeating the request with the same key is safe
    │   ├── IdempotencyInProgress
    │   ├── AccountBusy             another session holds the lock of an account
    │   ├── TooManyConnections      in http/limits.py
    │   └── DatabaseUnavailable     also: the queue is full, the service is stopping
    │       ├── ClocksDiffer            the clocks of database and process
    │       ├── AccountAheadOfClock     the last entry of one account
    │       └── IdentitiesLost          a remembered row is gone; in database/lost_rows.py
    ├── BadRequest              bytes that cannot be read as a request; in http/problems.py
    ├── InternalError           a fault of the service; in http/problems.py
    ├── KeyRefused, DepositRequestRefused, ReconciliationRefused    cannot be done; in the apps
    ├── VersionExists           a fee schedule was added before; in fees/services.py
    ├── NothingToChange         somebody else was faster in the admin; in merchants/admin
    └── FormCarriedOut          a form of the admin was sent before; in console/postings.py

``InvalidAmount`` is a ``ValueError``: the field that holds it turns it into a ``FieldError``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID


class LedgerError(Exception):
    """Root of all errors that callers are told about.

    ``code`` is the contract's name of the case, ``title`` its short human name, ``str(error)`` the
    detail of this instance, and ``extra()`` the further members of the answer. A ``Money`` value
    becomes two members, ``name`` and ``name_minor``.
    """

    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"

    def extra(self) -> Mapping[str, object]:
        """Members of the answer beside code, title and detail."""
        return {}


# --- InvalidRequest ---


class InvalidRequest(LedgerError):
    """The request itself is wrong. Nothing is stored under its key."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with a field: its path (``transfers.3.amount``), a short code, a sentence."""

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
        """Return the error of a single wrong field."""
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
    """Source and target are the same."""

    code = "same_account"
    title = "Same account"

    def __init__(self) -> None:
        super().__init__("Source and target are the same; a transfer needs two different accounts.")


class InvalidCursor(InvalidRequest):
    """This list did not return the cursor, or returned it for other filters."""

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
    """The body is larger than the service takes."""

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

    def __init__(self, path: str, *, hint: str = "") -> None:
        super().__init__(f"There is nothing at {path[:128]}; /docs lists every call.{hint}")  # a long path is not repeated


# --- the key and the service ---


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
    """Another session holds the lock of an account; nothing happened, or the detail says what."""

    code = "account_busy"
    title = "Account busy"

    def __init__(
        self, detail: str = "Another session holds the lock of an account of this request; nothing happened. Repeat it with the same key."
    ) -> None:
        super().__init__(detail)


class DatabaseUnavailable(Unavailable):
    """The database does not answer, the queue is full, or the service is stopping."""

    code = "database_unavailable"
    title = "Service unavailable"


class ClocksDiffer(DatabaseUnavailable):
    """The clocks of the database and of this process are too far apart: one of them is wrong, and
    nobody knows which.
    """

    def __init__(self, difference_s: float) -> None:
        super().__init__(
            f"The clocks of the database and of the service differ by {difference_s:.1f} s; nothing is posted until they agree. "
            "Repeat the request with the same Idempotency-Key.",
            retry_after_s=10,
        )
        self.difference_s = difference_s


class AccountAheadOfClock(DatabaseUnavailable):
    """The last entry of an account is too far in the future: its next entries, and those of whom it
    pays, would be there too.
    """

    def __init__(self, account_id: UUID, last_at: str) -> None:
        super().__init__(
            "The last entry of an account of this request has a time in the future; nothing is posted to it until then. "
            "Other accounts are not affected.",
            retry_after_s=10,
        )
        self.account_id, self.last_at = account_id, last_at
