"""Secrets that must be read again, encrypted at rest.

A secret that signs or makes codes cannot be kept as a hash. It is encrypted with a key that is made
of ``SECRET_KEY``, so a copy of the database alone opens nothing. Former keys in
``SECRET_KEY_FALLBACKS`` still decrypt.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


@lru_cache(maxsize=8)
def _cipher(purpose: str, keys: tuple[str, ...]) -> MultiFernet:
    digests = (hmac.digest(key.encode(), purpose.encode(), hashlib.sha256) for key in keys)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])


def _current(purpose: str) -> MultiFernet:
    return _cipher(purpose, (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


def seal(secret: str, *, purpose: str) -> str:
    """Return a secret as it is stored. The same purpose opens it again."""
    return _current(purpose).encrypt(secret.encode()).decode()


def unseal(stored: str, *, purpose: str) -> str | None:
    """Return a stored secret; None if ``SECRET_KEY`` is another one now, and the former is not
    among the fallbacks.
    """
    try:
        return _current(purpose).decrypt(stored.encode()).decode()
    except InvalidToken:
        return None
