"""Another e-mail address of a user: the link that proves it, and its use. Synchronous.

The link is sent to the new address, and holds for an hour. It names the user, both addresses, and a
stamp of the password: it ends when the address or the password is another one. So it counts once.
"""

from __future__ import annotations

import hmac
from datetime import timedelta
from uuid import UUID

import structlog
from django.core import signing
from django.db import IntegrityError, transaction
from django.utils.crypto import salted_hmac

from merchants.domain import fold
from people.domain import UserExists
from people.models import User
from people.selectors.users import with_email

log = structlog.get_logger(__name__)

LIFETIME = timedelta(hours=1)
"""How long a link holds."""

_SALT = "people.address"


def _stamp(user: User) -> str:
    """Return a text that changes with the address and the password, and reveals neither."""
    return salted_hmac(_SALT, f"{user.pk} {user.email} {user.password}", algorithm="sha256").hexdigest()[:32]


def address_token(user: User, address: str) -> str:
    """Return the token of a link that gives a user another address."""
    return signing.dumps([str(user.pk), address, _stamp(user)], salt=_SALT, compress=True)


def is_address_free(address: str, *, but_of: UUID) -> bool:
    """Return whether no other user has an address, as the address or as the user name."""
    others = User.objects.exclude(pk=but_of)
    return not (with_email(others, address).exists() or others.filter(username=fold(address)).exists())


def proven_address(token: str, user: User) -> str | None:
    """Return the address that a token proves for a user.

    None for a token that is not ours, is too old, was used, or is another user's.
    """
    try:
        user_id, address, stamp = signing.loads(token, salt=_SALT, max_age=LIFETIME)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    is_theirs = user.is_active and user_id == str(user.pk) and hmac.compare_digest(stamp, _stamp(user))
    return str(address) if is_theirs else None


def change_address(user_id: UUID, token: str) -> tuple[str, str] | None:
    """Give a user the address that a token proves; return the old and the new one.

    None if the token does not hold any more: of two that use it at once, one is too late. The user
    name of a person is the address; members of the staff keep their user name.

    Raises ``UserExists`` if somebody else has the address now.
    """
    try:
        with transaction.atomic():
            user = User.objects.select_for_update(no_key=True).get(pk=user_id)
            address = proven_address(token, user)
            if address is None:
                return None
            old, user.email = user.email, address
            if user.username == fold(old):
                user.username = fold(address)
            user.save(update_fields=["email", "username"])
    except IntegrityError:
        raise UserExists(user_id) from None
    log.info("user.address_changed", user_id=str(user_id))
    return old, address
