"""``/auth/token``: access tokens for the platform's users, who are the users of the admin."""

from __future__ import annotations

import asyncio
import hmac
import re
from typing import Any
from uuid import UUID

import structlog
from cachetools import LRUCache
from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.models import AbstractUser
from django.http import HttpRequest, HttpResponse
from rest_framework import serializers

from ledger_project.database.readers import in_reader
from ledger_project.http.fields import StrictString
from ledger_project.http.responses import json_response
from ledger_project.http.schema import ALWAYS, extend_schema, problem_responses
from ledger_project.http.validation import validate
from ledger_project.http.views import ApiView, read_body
from ledger_project.kernel.actors import InvalidToken, NotAuthenticated, Scope
from ledger_project.kernel.errors import RouteNotFound
from people.access import second_factor
from people.access.rate_limits import Brake, address_of
from people.access.tokens import LedgerAccessToken, LedgerRefreshToken, read_claims, ring

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


class TokenBody(serializers.Serializer[Any]):
    """Who asks."""

    username = StrictString(max_length=150)
    password = StrictString(max_length=4096)
    otp = StrictString(
        required=False, max_length=8, help_text="The code that the authenticator app shows now, where a second factor is required."
    )


class RefreshBody(serializers.Serializer[Any]):
    """The refresh token that was handed out before."""

    refresh = StrictString(max_length=4096)


class TokenJson(serializers.Serializer[Any]):
    """An access token, for `Authorization: Bearer`."""

    access = serializers.CharField()
    refresh = serializers.CharField(required=False, help_text="Only when a password was given.")
    token_type = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds.")
    scope = serializers.CharField(help_text="Scopes, separated by spaces: those that the user's permissions give.")


def scopes_of(user: AbstractUser) -> list[str]:
    """Return the scopes that a user's permissions give."""
    return [scope.value for scope, permission in PERMISSIONS.items() if user.has_perm(permission)]


def _stamp(user: AbstractUser) -> str:
    """Return a text that changes with the user's password, and reveals nothing about it."""
    return user.get_session_auth_hash()[:32]


def _access(user: AbstractUser) -> dict[str, object]:
    access = LedgerAccessToken()
    scope = " ".join(scopes_of(user))
    access["sub"], access["platform"], access["scope"] = f"user-{user.pk}", True, scope
    return {
        "access": str(access),
        "token_type": "Bearer",
        "expires_in": int(LedgerAccessToken.lifetime.total_seconds()),
        "scope": scope,
    }


def log_in(request: HttpRequest, username: str, password: str, otp: str | None) -> dict[str, object]:
    """Return the tokens of a user with this password, and this code if a second factor is needed.

    Synchronous, and slow on purpose. Raises ``NotAuthenticated``, with the same message for a wrong
    password and a wrong code.
    """
    user = authenticate(request, username=username, password=password)
    if user is None:
        raise NotAuthenticated(_wrong())
    refresh = LedgerRefreshToken()
    refresh["sub"], refresh["stamp"] = f"user-{user.pk}", _stamp(user)
    if second_factor.is_required() or second_factor.is_needed(user):
        device = None if otp is None else second_factor.accepts(user, otp)
        if device is None:
            raise NotAuthenticated(_wrong())
        refresh["device"] = device.pk
    return {**_access(user), "refresh": str(refresh)}


def _wrong() -> str:
    if second_factor.is_required():
        return "The user name, password or code is wrong, there were too many attempts, or no authenticator app was enrolled in the admin."
    return "The user name or password is wrong, there were too many attempts, or your authenticator app's code is missing as 'otp'."


def _check_code_is_there(otp: str | None) -> None:
    """Raise ``NotAuthenticated`` for a missing code, before the password is checked: nothing is
    revealed about it.
    """
    if otp is None and second_factor.is_required():
        raise NotAuthenticated("A second factor is required: send the code of your authenticator app as 'otp'.")


def refreshed(text: str) -> dict[str, object]:
    """Return a new access token with the user's present scopes.

    Raises ``InvalidToken``. Synchronous.

    Where a second factor is needed, a refresh token needs one, and its device must still be there.
    """
    claims = read_claims(LedgerRefreshToken, text)
    found, stamp = _USER.fullmatch(claims["sub"]), claims.get("stamp")
    user = get_user_model().objects.filter(pk=UUID(found[1]), is_active=True).first() if found else None
    # isascii: the comparison in constant time accepts ASCII only.
    if user is None or not isinstance(stamp, str) or not stamp.isascii() or not hmac.compare_digest(stamp, _stamp(user)):
        raise InvalidToken
    if (second_factor.is_required() or second_factor.is_needed(user)) and not second_factor.is_device_of(user, claims.get("device")):
        raise InvalidToken
    return _access(user)


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
        responses={200: TokenJson, **problem_responses(*_CODES, "not_authenticated")},
    )
    async def post(self, request: HttpRequest) -> HttpResponse:
        """Log in as a user of the platform: an access token for a few minutes, and a refresh token
        that gets new ones.

        With `otp`, the code of the authenticator app, where a second factor is required.
        """
        values = validate(TokenBody, read_body(request))
        _check_issuing(request)
        address = address_of(request)
        pair = f"{address} {values['username']}"
        _count_attempt(address, pair)
        otp = values.get("otp")
        _check_code_is_there(otp)
        async with _one_at_a_time:
            answer = await in_reader(log_in, request, values["username"], values["password"], otp)
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
