"""``/auth/token``: access tokens of the staff, who act for the platform, and of members."""

from __future__ import annotations

import asyncio
import hmac
import re
from uuid import UUID

import structlog
from cachetools import LRUCache
from django.contrib.auth import authenticate
from django.http import HttpRequest, HttpResponse

from ledger_project.database.readers import in_reader
from ledger_project.http.responses import json_response
from ledger_project.http.schema import ALWAYS, extend_schema, problem_responses
from ledger_project.http.validation import validate
from ledger_project.http.views import ApiView, read_body
from ledger_project.kernel.actors import InvalidToken, NotAuthenticated, Scope
from ledger_project.kernel.errors import RouteNotFound
from merchants.domain import fold
from people.access import second_factor
from people.access.members import chosen_membership
from people.access.rate_limits import Brake, address_of
from people.access.tokens import LedgerAccessToken, LedgerRefreshToken, read_claims, ring
from people.domain import ROLE_SCOPES
from people.models import User
from people.selectors.memberships import MembershipFacts, renewed_membership
from people.serializers import RefreshBody, TokenBody, TokenJson

log = structlog.get_logger(__name__)

PERMISSIONS = {
    Scope.MERCHANTS_READ: "merchants.view_merchant",
    Scope.MERCHANTS_WRITE: "merchants.add_merchant",
    Scope.TRANSFERS_READ: "transfers.view_transfer",
    Scope.TRANSFERS_WRITE: "transfers.add_transfer",
    Scope.FEES_READ: "fees.view_feeschedule",
    Scope.EVENTS_READ: "transfers.view_transfer",
    Scope.WEBHOOKS_READ: "events.view_webhook",
    Scope.WEBHOOKS_WRITE: "events.operate_webhook",
    Scope.USERS_READ: "people.view_user",
    Scope.USERS_WRITE: "people.change_user",
    Scope.OPERATIONS_READ: "transfers.view_idempotencyrecord",
    Scope.OPERATIONS_WRITE: "merchants.set_overdraft",
    Scope.APPROVALS_WRITE: "approvals.decide_approval",
}
"""The permission in Django that gives a user a scope; superusers have all scopes."""

_USER = re.compile(r"user-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.ASCII)
"""The subject of a user's token: the user's id."""

_attempts, _crowds = Brake(), Brake()
_ATTEMPTS = 10
_PER_MINUTE = 10
"""Attempts a minute at one user's password from one address, and bad refresh tokens from one
address."""

_CROWD_PER_MINUTE = 60
"""Attempts from one address at passwords of users who never logged in from there. Each costs much
CPU."""

_welcome: LRUCache[str, None] = LRUCache(10_000)
"""Users and the addresses from which they have logged in. Strangers at the same address do not
hinder them."""

_one_at_a_time = asyncio.Semaphore(1)
"""A password costs much CPU on purpose: at most one reader thread may check one."""


def scopes_of(user: User) -> list[str]:
    """Return the scopes that a user's permissions give."""
    return [scope.value for scope, permission in PERMISSIONS.items() if user.has_perm(permission)]


def _stamp(user: User) -> str:
    """Return a text that changes with the user's password, and reveals nothing about it."""
    return user.get_session_auth_hash()[:32]


def _access(user: User, membership: MembershipFacts | None) -> dict[str, object]:
    """Return an access token of a member, or of the staff (``membership`` is None)."""
    access = LedgerAccessToken()
    if membership is None:
        access["platform"], scopes = True, scopes_of(user)
    else:
        access["merchant"], scopes = str(membership.merchant.id), sorted(scope.value for scope in ROLE_SCOPES[membership.role])
    scope = " ".join(scopes)
    access["sub"], access["scope"] = f"user-{user.pk}", scope
    return {
        "access": str(access),
        "token_type": "Bearer",
        "expires_in": int(LedgerAccessToken.lifetime.total_seconds()),
        "scope": scope,
    }


def log_in(request: HttpRequest, name: str, password: str, *, otp: str | None, merchant_name: str | None) -> dict[str, object]:
    """Return the tokens of a user with this password, and this code if a second factor is needed.

    Members of the staff act for the platform, unless they name a merchant. All others act for a
    merchant, and for nothing else.

    Synchronous, and slow on purpose. Raises ``NotAuthenticated``, with the same message for a wrong
    password and a wrong code, and then what ``chosen_membership`` does.
    """
    user = authenticate(request, username=name, password=password)
    if not isinstance(user, User):
        raise NotAuthenticated(_wrong())
    refresh = LedgerRefreshToken()
    refresh["sub"], refresh["stamp"] = f"user-{user.pk}", _stamp(user)
    is_platform = _is_staff(user) and merchant_name is None
    if _needs_code(user, is_platform=is_platform):
        device = None if otp is None else second_factor.accepts(user, otp, or_recovery=True)
        if device is None:
            raise NotAuthenticated(_wrong())
        refresh["device"] = device.pk
    membership = None if is_platform else chosen_membership(user, merchant_name)
    if membership is not None:
        refresh["merchant"] = str(membership.merchant.id)
    return {**_access(user, membership), "refresh": str(refresh)}


def _is_staff(user: User) -> bool:
    return user.is_staff or user.is_superuser


def _needs_code(user: User, *, is_platform: bool) -> bool:
    """Whether a password alone gets no token: of the platform's where a code is required, and of
    whoever has enrolled an app.
    """
    return (is_platform and second_factor.is_required()) or second_factor.is_needed(user)


def _wrong() -> str:
    if second_factor.is_required():
        return "The user name, password or code is wrong, there were too many attempts, or no authenticator app was enrolled in the admin."
    return "The user name or password is wrong, there were too many attempts, or your authenticator app's code is missing as 'otp'."


def _check_code_is_there(otp: str | None) -> None:
    """Raise ``NotAuthenticated`` for a missing code, before the password is checked: nothing is
    revealed about it.
    """
    if otp is None and second_factor.is_required():
        raise NotAuthenticated("A second factor is required: send the code of your authenticator app, or a recovery code, as 'otp'.")


def refreshed(text: str) -> dict[str, object]:
    """Return a new access token with the user's present scopes.

    Raises ``InvalidToken``, also for who was a member or of the staff and is so no more.
    Synchronous.

    Where a second factor is needed, a refresh token needs one, and its device must still be there.
    """
    claims = read_claims(LedgerRefreshToken, text)
    found, stamp = _USER.fullmatch(claims["sub"]), claims.get("stamp")
    user = User.objects.filter(pk=UUID(found[1]), is_active=True).first() if found else None
    # isascii: the comparison in constant time accepts ASCII only.
    if user is None or not isinstance(stamp, str) or not stamp.isascii() or not hmac.compare_digest(stamp, _stamp(user)):
        raise InvalidToken
    if _needs_code(user, is_platform="merchant" not in claims) and not second_factor.is_device_of(user, claims.get("device")):
        raise InvalidToken
    return _access(user, _renewed(user, claims.get("merchant")))


def _renewed(user: User, merchant_id: object) -> MembershipFacts | None:
    """Return the membership of a refresh token as it is now; None for one of the staff.

    Raises ``InvalidToken``.
    """
    if merchant_id is None:
        if not _is_staff(user):
            raise InvalidToken
        return None
    try:
        membership = renewed_membership(user.pk, UUID(str(merchant_id)))
    except ValueError:
        raise InvalidToken from None
    if membership is None:
        raise InvalidToken
    return membership


def _check_issuing(request: HttpRequest) -> None:
    """Raise ``RouteNotFound`` if this service issues no tokens."""
    if ring().signing is None:
        raise RouteNotFound(request.path)


def _count_attempt(address: str, pair: str) -> None:
    """Raise ``RateLimited`` after too many attempts at one user's password from one address, in
    open mode too.
    """
    _attempts.take(pair, rate=_PER_MINUTE / 60, burst=_ATTEMPTS)
    if pair not in _welcome:
        _crowds.take(address, rate=_CROWD_PER_MINUTE / 60, burst=_CROWD_PER_MINUTE)


_CODES = (*ALWAYS, "not_found", "rate_limited")


class TokenView(ApiView):
    """Tokens for a password."""

    is_public = True

    @extend_schema(
        operation_id="create_token",
        tags=["auth"],
        request=TokenBody,
        responses={200: TokenJson, **problem_responses(*_CODES, "not_authenticated", "permission_denied", "merchant_not_found")},
    )
    async def post(self, request: HttpRequest) -> HttpResponse:
        """Log in: an access token for a few minutes, and a refresh token that gets new ones.

        Members of the staff get tokens of the platform. Members of a merchant get tokens for that
        merchant with the scopes of their role; who acts for several names one by `merchant_name`.

        With `otp`, the code of the authenticator app, where a second factor is required.
        """
        values = validate(TokenBody, read_body(request))
        _check_issuing(request)
        address = address_of(request)
        otp, merchant_name = values.get("otp"), values.get("merchant_name")
        name = values["username"] if "username" in values else fold(values["email"])
        pair = f"{address} {name}"
        _count_attempt(address, pair)
        if "username" in values and merchant_name is None:
            _check_code_is_there(otp)
        async with _one_at_a_time:
            answer = await in_reader(log_in, request, name, values["password"], otp=otp, merchant_name=merchant_name)
        _welcome[pair] = None
        return json_response(answer)


class TokenRefreshView(ApiView):
    """A new access token."""

    is_public = True

    @extend_schema(
        operation_id="refresh_token",
        tags=["auth"],
        request=RefreshBody,
        responses={200: TokenJson, **problem_responses(*_CODES, "invalid_token")},
    )
    async def post(self, request: HttpRequest) -> HttpResponse:
        """Get a new access token for a refresh token."""
        values = validate(RefreshBody, read_body(request))
        _check_issuing(request)
        try:
            answer = await in_reader(refreshed, values["refresh"])
        except InvalidToken:
            _attempts.take(address_of(request), rate=_PER_MINUTE / 60, burst=_ATTEMPTS)
            raise
        return json_response(answer)


def release_attempts() -> None:
    """Start afresh; for tests."""
    _attempts.release_all()
    _crowds.release_all()
    _welcome.clear()
