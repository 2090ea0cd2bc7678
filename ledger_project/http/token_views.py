"""``/auth/token``: access tokens for the platform's users, who are those of the admin."""

from __future__ import annotations

import asyncio
import hmac
from typing import Any

import structlog
from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.models import AbstractUser
from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework_simplejwt.exceptions import TokenError

from ledger_project.http.fields import StrictString
from ledger_project.http.responses import json_response
from ledger_project.http.schema import ALWAYS, problem_responses
from ledger_project.http.throttling import Brake, address_of
from ledger_project.http.validation import validate
from ledger_project.http.views import ApiView, read_body
from ledger_project.kernel.access import InvalidToken, NotAuthenticated, Scope
from ledger_project.kernel.errors import RouteNotFound
from ledger_project.readers import in_reader
from ledger_project.tokens import LedgerAccessToken, LedgerRefreshToken, ring

log = structlog.get_logger(__name__)

PERMISSIONS = {
    Scope.MERCHANTS_READ: "merchants.view_merchant",
    Scope.MERCHANTS_WRITE: "merchants.add_merchant",
    Scope.TRANSFERS_READ: "transfers.view_transfer",
    Scope.TRANSFERS_WRITE: "transfers.add_transfer",
    Scope.FEES_READ: "fees.view_feeschedule",
    Scope.OPERATIONS_READ: "transfers.view_idempotencyrecord",
}
"""Which of Django's permissions gives a user which scope; superusers have all."""

_brake = Brake()
_ATTEMPTS = 10
_PER_MINUTE = 10
_one_at_a_time = asyncio.Semaphore(1)
"""A password costs a large part of a second of CPU on purpose; no more than one reader thread may be busy with it."""


class TokenBody(serializers.Serializer[Any]):
    """Who asks."""

    username = StrictString(max_length=150)
    password = StrictString(max_length=4096)


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
    """Return what changes with the user's password, and tells nothing about it."""
    return user.get_session_auth_hash()[:32]


def _issue(user: AbstractUser, *, with_refresh: bool) -> dict[str, object]:
    access = LedgerAccessToken()
    scope = " ".join(scopes_of(user))
    access["sub"], access["platform"], access["scope"] = f"user-{user.pk}", True, scope
    answer: dict[str, object] = {
        "access": str(access),
        "token_type": "Bearer",  # a kind of token, not a token  # nosec B105
        "expires_in": int(LedgerAccessToken.lifetime.total_seconds()),
        "scope": scope,
    }
    if with_refresh:
        refresh = LedgerRefreshToken()
        refresh["sub"], refresh["stamp"] = f"user-{user.pk}", _stamp(user)
        answer["refresh"] = str(refresh)
    return answer


def log_in(request: HttpRequest, username: str, password: str) -> dict[str, object]:
    """Return the tokens of who gives their password. Raises ``NotAuthenticated``. Synchronous, and slow on purpose."""
    user = authenticate(request, username=username, password=password)
    if user is None:
        raise NotAuthenticated("The user name or password is wrong, or there were too many attempts.")
    return _issue(user, with_refresh=True)


def refreshed(text: str) -> dict[str, object]:
    """Return a new access token, with the scopes that the user has now. Raises ``InvalidToken``. Synchronous."""
    try:
        token = LedgerRefreshToken(text)
        kind, _, number = token["sub"].partition("-")
        user = get_user_model().objects.filter(pk=int(number), is_active=True).first() if kind == "user" else None
        stamp = str(token["stamp"])
    except (TokenError, KeyError, ValueError):
        raise InvalidToken from None
    if user is None or not hmac.compare_digest(stamp.encode(), _stamp(user).encode()):
        raise InvalidToken
    return _issue(user, with_refresh=False)


def _check_attempts(request: HttpRequest) -> None:
    """Raise ``RateLimited`` after a handful of attempts from one address, in open mode too; nothing where no tokens are issued."""
    if ring().signing is None:
        raise RouteNotFound(request.path)
    _brake.take(address_of(request), rate=_PER_MINUTE / 60, burst=_ATTEMPTS)


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
        """Log in as a user of the platform: an access token for a few minutes, and a refresh token that gets new ones."""
        values = validate(TokenBody, read_body(request))
        _check_attempts(request)
        async with _one_at_a_time:
            return json_response(await in_reader(log_in, request, values["username"], values["password"]))


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
        _check_attempts(request)
        return json_response(await in_reader(refreshed, values["refresh"]))


def release_attempts() -> None:
    """Start afresh; for tests."""
    _brake.release_all()
