"""The secrets of webhooks: made, and encrypted at rest.

Signing needs a secret as it is, so a hash will not do. It is encrypted with a key that is made of
``SECRET_KEY``: a copy of the database alone signs nothing. Former keys in ``SECRET_KEY_FALLBACKS``
still decrypt.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

_PURPOSE = b"ledger.events.webhook-secret.v1"
_BYTES = 32


def new_secret() -> str:
    """Return a secret in the form of the Standard Webhooks specification: 256 random bits."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


@lru_cache(maxsize=4)
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    digests = (hmac.digest(key.encode(), _PURPOSE, hashlib.sha256) for key in keys)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])


def _current() -> MultiFernet:
    return _cipher((settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


def sealed(secret: str) -> str:
    """Return a secret as it is stored."""
    return _current().encrypt(secret.encode()).decode()


def unsealed(stored: str) -> str | None:
    """Return a stored secret; None if ``SECRET_KEY`` is another one now, and the former is not
    among the fallbacks.
    """
    try:
        return _current().decrypt(stored.encode()).decode()
    except InvalidToken:
        return None
