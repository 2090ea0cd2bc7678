"""Who calls and what they may do, as plain values, and the errors of a caller who may not.

``errors`` draws the tree of ``AccessRefused``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from ledger_project.kernel.errors import LedgerError


class Scope(StrEnum):
    """The permission of a credential. Its accounts are another matter: see ``Actor.acts_for``."""

    MERCHANTS_READ = "merchants:read"
    """Merchants, accounts, balances and statements."""
    MERCHANTS_WRITE = "merchants:write"
    """Register merchants (the platform's credentials only) and open accounts."""
    TRANSFERS_READ = "transfers:read"
    """Transfers and holds."""
    TRANSFERS_WRITE = "transfers:write"
    """Everything that moves money."""
    FEES_READ = "fees:read"
    """What a movement would cost."""
    EVENTS_READ = "events:read"
    """The feed of everything that happened."""
    WEBHOOKS_READ = "webhooks:read"
    """Webhooks and their deliveries."""
    WEBHOOKS_WRITE = "webhooks:write"
    """Register, change and delete webhooks, and have events sent once more."""
    USERS_READ = "users:read"
    """Users and their memberships."""
    USERS_WRITE = "users:write"
    """Invite, change and erase users, and change memberships."""
    OPERATIONS_READ = "operations:read"
    """Metrics and whatever else tells how the service fares; the platform's credentials only."""
    OPERATIONS_WRITE = "operations:write"
    """Freeze, close and set overdraft limits; the platform's credentials only."""
    APPROVALS_WRITE = "approvals:write"
    """See and decide what waits for a second person; the platform's credentials only."""


PLATFORM_OWNER = "platform"
"""The owner of the platform's idempotency keys: of its credentials, open mode, operators and
commands."""

PLATFORM_SCOPES = frozenset({Scope.OPERATIONS_READ, Scope.OPERATIONS_WRITE, Scope.APPROVALS_WRITE})
"""The scopes of the service as a whole. No merchant's credential has them."""

MERCHANT_SCOPES = frozenset(Scope) - PLATFORM_SCOPES
"""The largest set of scopes of a merchant's credential."""


@dataclass(frozen=True, slots=True)
class Actor:
    """The caller: the platform (``merchant_id`` is None) or one merchant.

    ``principal`` names the credential: ``key:<id>``, ``jwt:<subject>``, or ``anonymous`` in open
    mode. It is stored with every transfer of the caller. ``owner`` is the owner of the caller's
    idempotency keys.
    """

    principal: str
    merchant_id: UUID | None = None
    scopes: frozenset[Scope] = frozenset(Scope)

    @property
    def owner(self) -> str:
        """The owner of the caller's idempotency keys: the platform or one merchant.

        It does not depend on the credential: after a change of credential, a repetition is still a
        repetition.
        """
        return PLATFORM_OWNER if self.merchant_id is None else f"merchant:{self.merchant_id}"

    def acts_for(self, merchant_id: UUID) -> bool:
        """Whether the caller may debit, hold and read this merchant's accounts."""
        return self.merchant_id is None or self.merchant_id == merchant_id

    def require_platform(self, what: str) -> None:
        """Raise ``PermissionDenied`` for a merchant's credential: only the platform may do
        ``what``.
        """
        if self.merchant_id is not None:
            raise PermissionDenied(f"{what} needs a credential of the platform; this one is a merchant's.")


@dataclass(frozen=True, slots=True)
class Credential:
    """A good credential: its caller, its end (None: none), and a note to write later."""

    actor: Actor
    expires_at: datetime | None
    note_use: Callable[[], None] | None = None


ANONYMOUS = Actor("anonymous")
"""Every caller without a credential, in open mode."""


class AccessRefused(LedgerError):
    """The caller is refused before any decision. Nothing is stored under the key of the request."""

    def headers(self) -> Mapping[str, str]:
        """The headers that belong to the answer."""
        return {}


class NotAuthenticated(AccessRefused):
    """The call needs a credential and has none."""

    code = "not_authenticated"
    title = "Not authenticated"

    def __init__(self, detail: str = "Send a credential: 'Authorization: Bearer' with an API key or an access token.") -> None:
        super().__init__(detail)

    def headers(self) -> Mapping[str, str]:
        """The accepted scheme (RFC 6750, section 3)."""
        return {"WWW-Authenticate": 'Bearer realm="ledger"'}


class InvalidToken(AccessRefused):
    """The credential is unknown, expired or revoked.
    The answer never says which: that helps attackers.
    """

    code = "invalid_token"
    title = "Invalid credential"

    def __init__(self) -> None:
        super().__init__("The credential is unknown, expired, revoked, or not meant for this service.")

    def headers(self) -> Mapping[str, str]:
        """The error in the words of RFC 6750, section 3.1."""
        return {"WWW-Authenticate": 'Bearer realm="ledger", error="invalid_token"'}


class PermissionDenied(AccessRefused):
    """The credential is good, but it does not allow this."""

    code = "permission_denied"
    title = "Permission denied"

    def __init__(self, detail: str, *, scope: Scope | None = None) -> None:
        super().__init__(detail)
        self.scope = scope

    @classmethod
    def lacks(cls, scope: Scope) -> PermissionDenied:
        """Return the error for a credential without the scope of the call."""
        return cls(f"This call needs the scope {scope.value!r}, which the credential does not have.", scope=scope)

    def extra(self) -> Mapping[str, object]:
        """The needed scope, if the refusal is about a scope."""
        return {} if self.scope is None else {"required_scope": self.scope.value}

    def headers(self) -> Mapping[str, str]:
        """The needed scope (RFC 6750, section 3.1)."""
        if self.scope is None:
            return {}
        return {"WWW-Authenticate": f'Bearer realm="ledger", error="insufficient_scope", scope="{self.scope.value}"'}


class RateLimited(AccessRefused):
    """One credential or address sends too many requests."""

    code = "rate_limited"
    title = "Too many requests"

    def __init__(self, *, retry_after_s: int) -> None:
        super().__init__(f"Too many requests; come back in {retry_after_s} s.")
        self.retry_after_s = retry_after_s

    def headers(self) -> Mapping[str, str]:
        """When to come back."""
        return {"Retry-After": str(self.retry_after_s)}
