"""The first password of an invited user: the link that leads to it, and its use. Synchronous.

The link has a signed token with the user's id. It holds for three days, once, and for the address
that it was sent to.
"""

from __future__ import annotations

import hmac
from datetime import timedelta
from uuid import UUID

import structlog
from django.core import signing
from django.db import transaction
from django.utils.crypto import salted_hmac

from people.models import User

log = structlog.get_logger(__name__)

LIFETIME = timedelta(days=3)
"""How long a link holds."""

_SALT = "people.activation"


def _stamp(user: User) -> str:
    """Return a text that changes with the address of a user, and does not reveal it."""
    return salted_hmac(_SALT, f"{user.pk} {user.email}", algorithm="sha256").hexdigest()[:32]


def activation_token(user: User) -> str:
    """Return the token of a link that lets an invited user choose a password."""
    return signing.dumps([str(user.pk), _stamp(user)], salt=_SALT)


def invited_user(token: str) -> User | None:
    """Return the user whom a token lets choose a password.

    Returns None for a token that is not ours, is too old, was used, or was sent to another address,
    and for a suspended or erased user.
    """
    try:
        user_id, stamp = signing.loads(token, salt=_SALT, max_age=LIFETIME)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    user = User.objects.filter(pk=UUID(user_id), is_active=True, activated_at__isnull=True).first()
    return user if user is not None and hmac.compare_digest(stamp, _stamp(user)) else None


def activate_user(user_id: UUID, password: str) -> bool:
    """Give an invited user a password, and let the user sign in; return whether that was done now.

    The caller has checked the token, and the password's strength. Of two that use a link at once,
    one is too late.
    """
    with transaction.atomic():
        user = User.objects.select_for_update().filter(pk=user_id, is_active=True, activated_at__isnull=True).first()
        if user is None:
            return False
        user.set_password(password)
        user.save(update_fields=["password", "activated_at", "mail_due_at"])
    log.info("user.activated", user_id=str(user_id))
    return True
