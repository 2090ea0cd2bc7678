"""API keys: made, looked up, revoked.

A key is ``lk_<prefix>_<secret>``: the prefix (8 letters and digits) names it to people, the secret
is 256 random bits. The whole key is shown once, when it is made. Only its SHA-256 is stored.
"""

from __future__ import annotations

import hashlib
import secrets
import string
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import structlog
from django.db.models import Q

from ledger_project.database.fields import new_id
from ledger_project.kernel.actors import MERCHANT_SCOPES, PLATFORM_SCOPES, Actor, Credential, Scope
from ledger_project.kernel.errors import LedgerError
from merchants.domain import MerchantIdentity
from people.models import ApiKey

log = structlog.get_logger(__name__)

_ALPHABET = string.ascii_letters + string.digits
_USED_EVERY = timedelta(minutes=1)


class KeyRefused(LedgerError):
    """A key that must not be made, or cannot be revoked."""

    code = "key_refused"
    title = "Not possible"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new key. ``secret`` cannot be shown again."""

    id: UUID
    prefix: str
    secret: str


def create_key(
    *,
    name: str,
    merchant: MerchantIdentity | None,
    scopes: Collection[Scope],
    expires_at: datetime | None = None,
    key_id: UUID | None = None,
) -> NewKey:
    """Make a key of the platform (``merchant`` is None) or of a merchant.

    Raises ``KeyRefused``.

    A form proposes the id of its key: a second call with the same id is refused.
    """
    if not name.strip():
        raise KeyRefused("A key needs a name that says what uses it.")
    if not scopes:
        raise KeyRefused("A key without scopes could do nothing.")
    if merchant is not None and not MERCHANT_SCOPES.issuperset(scopes):
        raise KeyRefused(f"{' and '.join(sorted(PLATFORM_SCOPES))} are for the platform's keys only.")
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise KeyRefused("A key cannot expire before it is made.")
    prefix = "lk_" + "".join(secrets.choice(_ALPHABET) for _ in range(8))
    secret = f"{prefix}_{secrets.token_urlsafe(32)}"
    key, is_new = ApiKey.objects.get_or_create(
        id=key_id or new_id(),
        defaults={
            "name": name.strip(),
            "merchant_id": None if merchant is None else merchant.id,
            "prefix": prefix,
            "digest": hashlib.sha256(secret.encode()).digest(),
            "scopes": sorted(scope.value for scope in scopes),
            "expires_at": expires_at,
        },
    )
    if not is_new:
        raise KeyRefused(f"This form was sent before and made the key {key.prefix}; it was shown then. If nobody has it, revoke it.")
    log.info("api_key.created", key_id=str(key.id), prefix=prefix, merchant=merchant.name if merchant else None, scopes=key.scopes)
    return NewKey(key.id, prefix, secret)


def revoke_key(key_id: UUID) -> None:
    """End a key for good.

    It stops working within ``LEDGER_CREDENTIAL_CACHE`` seconds everywhere. Raises ``KeyRefused``.
    """
    if not ApiKey.objects.filter(id=key_id, revoked_at__isnull=True).update(revoked_at=datetime.now(UTC)):
        raise KeyRefused("There is no such key, or it was revoked before.")
    log.info("api_key.revoked", key_id=str(key_id))


def find_key(digest: bytes) -> Credential | None:
    """Return the valid key with this SHA-256, in one indexed query.

    For a key in use, once a minute, the result asks for a note of its use.
    """
    now = datetime.now(UTC)
    valid = Q(expires_at__isnull=True) | Q(expires_at__gt=now)
    key = ApiKey.objects.filter(valid, digest=digest, revoked_at__isnull=True).defer("name", "created_at").first()
    if key is None:
        return None
    stale = key.last_used_at is None or now - key.last_used_at >= _USED_EVERY
    known = {scope.value for scope in Scope}
    scopes = frozenset(Scope(scope) for scope in key.scopes if scope in known)
    return Credential(Actor(f"key:{key.id}", key.merchant_id, scopes), key.expires_at, partial(note_use, key.id) if stale else None)


def note_use(key_id: UUID) -> None:
    """Note the use of a key, unless a use within the last minute was noted."""
    now = datetime.now(UTC)
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - _USED_EVERY)
    ApiKey.objects.filter(stale, id=key_id).update(last_used_at=now)
