"""API keys of a merchant, made and ended by its owners. Synchronous."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from ledger_project.kernel.actors import MERCHANT_SCOPES, Actor, PermissionDenied, Scope
from merchants.domain import MerchantIdentity
from people.credentials import KeyRefused, NewKey, create_key, revoke_key
from people.models import ApiKey


def list_own_keys(merchant: MerchantIdentity, *, actor: Actor) -> list[ApiKey]:
    """Return a merchant's keys, newest first, without their secrets.

    Raises ``PermissionDenied``, as the functions below do, unless the caller may do for the
    merchant everything that a key can.
    """
    _check(merchant, actor)
    return list(ApiKey.objects.filter(merchant_id=merchant.id).order_by("-id"))


def make_own_key(
    key_id: UUID, name: str, merchant: MerchantIdentity, scopes: Collection[Scope], *, expires_at: datetime | None, actor: Actor
) -> NewKey:
    """Make a key of a merchant. Its secret is in the answer, and nowhere else.

    ``key_id`` is the form's: the same form makes one key. Raises ``KeyRefused``.
    """
    _check(merchant, actor)
    return create_key(name=name, merchant=merchant, scopes=scopes, expires_at=expires_at, key_id=key_id)


def revoke_own_key(key_id: UUID, merchant: MerchantIdentity, *, actor: Actor) -> None:
    """End a key of a merchant for good. Raises ``KeyRefused``, also for a key of others."""
    _check(merchant, actor)
    if not ApiKey.objects.filter(id=key_id, merchant_id=merchant.id).exists():
        raise KeyRefused("There is no such key.")
    revoke_key(key_id)


def _check(merchant: MerchantIdentity, actor: Actor) -> None:
    if not actor.acts_for(merchant.id) or not actor.scopes >= MERCHANT_SCOPES:
        raise PermissionDenied("Only an owner of the merchant may see, make and revoke its keys.")
