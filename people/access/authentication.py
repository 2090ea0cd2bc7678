"""Authentication of callers, on the event loop, for every request.

A credential is sent as ``Authorization: Bearer …`` (or ``X-Api-Key``). An API key begins with
``lk_``; everything else is an access token. A checked credential is remembered by its SHA-256 for
``LEDGER_CREDENTIAL_CACHE`` seconds (5), or until it expires. Then a request costs one hash and one
look-up in a dictionary, and a revoked key stops working after that time at the latest.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address

import structlog
from cachetools import LRUCache
from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port, validate_host

from ledger_project.database.lost_rows import generation
from ledger_project.database.readers import in_reader
from ledger_project.kernel.actors import ANONYMOUS, Actor, Credential, InvalidToken, NotAuthenticated, PermissionDenied
from people.access.tokens import check_access_token
from people.credentials import find_key

log = structlog.get_logger(__name__)

_CAPACITY = 10_000
_KEY = re.compile(r"lk_[A-Za-z0-9]{8}_[A-Za-z0-9_-]{43}", re.ASCII)
_MAX_CREDENTIAL = 4096

_known: LRUCache[bytes, tuple[Actor, float, int]] = LRUCache(_CAPACITY)
_under_way: dict[bytes, asyncio.Future[Credential | None]] = {}


def forget_credentials() -> None:
    """Forget all checked credentials. For tests."""
    _known.clear()


async def authenticate(request: HttpRequest, *, before_check: Callable[[HttpRequest], None] | None = None) -> Actor:
    """Return the caller.

    Raises ``NotAuthenticated`` and ``InvalidToken``.

    ``before_check`` is called for a credential that is not remembered, and may refuse its check. In
    open mode no credential is needed; a bad one is still refused.
    """
    text = _sent(request)
    if text is None:
        if settings.LEDGER_AUTH != "open":
            raise NotAuthenticated
        check_loopback(request)
        return ANONYMOUS
    digest = hashlib.sha256(text.encode()).digest()
    known = _known.get(digest)
    if known is not None and known[1] > time.monotonic() and known[2] == generation():
        return known[0]
    if known is None and before_check is not None:
        before_check(request)
    asked_in = generation()
    credential = await _check(text, digest)
    if credential is None:
        _known.pop(digest, None)
        raise InvalidToken
    _remember(digest, credential, asked_in)
    if credential.note_use is not None:
        _in_background(credential.note_use)
    return credential.actor


def _sent(request: HttpRequest) -> str | None:
    """Return the credential of a request; None for none.

    Raises ``InvalidToken`` for a malformed one.
    """
    header: str | None = request.META.get("HTTP_AUTHORIZATION")
    if header is None:
        text: str | None = request.META.get("HTTP_X_API_KEY")
        if text is None:
            return None
    else:
        scheme, _, text = header.partition(" ")
        if scheme.lower() != "bearer":
            raise InvalidToken
    text = text.strip()
    if not text or len(text) > _MAX_CREDENTIAL or not text.isascii():
        raise InvalidToken
    return text


async def _check(text: str, digest: bytes) -> Credential | None:
    if not text.startswith("lk_"):
        return check_access_token(text)
    # A text that does not look like a key is not worth a query.
    if not _KEY.fullmatch(text):
        return None
    # One query serves all callers that ask at the same time.
    future = _under_way.get(digest)
    if future is None:
        future = asyncio.ensure_future(in_reader(find_key, digest))
        _under_way[digest] = future
        future.add_done_callback(lambda _: _under_way.pop(digest, None))
    return await asyncio.shield(future)


def _remember(digest: bytes, credential: Credential, asked_in: int) -> None:
    fresh_s = settings.LEDGER_CREDENTIAL_CACHE
    if credential.expires_at is not None:
        fresh_s = min(fresh_s, (credential.expires_at - datetime.now(UTC)).total_seconds())
    _known[digest] = credential.actor, time.monotonic() + fresh_s, asked_in


_notes: set[asyncio.Future[None]] = set()


def _in_background(note: Callable[[], None]) -> None:
    """Write a note in the background. No caller waits for it or learns of its failure."""

    def ended(future: asyncio.Future[None]) -> None:
        _notes.discard(future)
        if not future.cancelled() and future.exception() is not None:
            log.warning("credential.use_not_noted", error=type(future.exception()).__name__)

    future = asyncio.ensure_future(in_reader(note))
    _notes.add(future)
    future.add_done_callback(ended)


_loopback: dict[str, bool] = {}


def check_loopback(request: HttpRequest) -> None:
    """Raise ``PermissionDenied`` in open mode, unless the request came over loopback.

    The system checks refuse such a configuration; this check holds also if they did not run.
    """
    host = str((getattr(request, "scope", {}).get("server") or ("",))[0])
    is_local = _loopback.get(host)
    if is_local is None:
        is_local = _loopback[host] = _is_loopback(host)
    if not is_local:
        raise PermissionDenied("LEDGER_AUTH=open answers on loopback only; use LEDGER_AUTH=required and a credential.")
    _check_name(request)


_known_names: LRUCache[str, bool] = LRUCache(100)


def _check_name(request: HttpRequest) -> None:
    """Raise ``PermissionDenied`` for a Host that is not in ALLOWED_HOSTS.

    A web page may let its own name resolve to 127.0.0.1 (DNS rebinding). A browser on this machine
    would then let it move money.
    """
    name: str | None = request.META.get("HTTP_HOST")
    if name is None or name in _known_names:
        return
    domain, _ = split_domain_port(name)
    if not domain or not validate_host(domain, settings.ALLOWED_HOSTS):
        raise PermissionDenied("LEDGER_AUTH=open answers to the names in ALLOWED_HOSTS only; the Host header has another one.")
    _known_names[name] = True


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return True  # a Unix socket, or no socket at all
