"""The key of a form: made by the server with the form, signed, and kept in the form's address.

So it outlives errors, a reload, the back button and a lost answer. A key is of one person, and it
is refused before the ledger forgets what was posted under it.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.http import HttpRequest

_SALT = "portal.form"
_MARGIN_S = 600
"""A key is refused so long before the ledger may forget it."""


def new_form(request: HttpRequest) -> str:
    """Return the token of a new form for the person who is signed in."""
    return _signer(request).sign(secrets.token_urlsafe(18))


def key_of_form(request: HttpRequest, token: str) -> str | None:
    """Return the idempotency key of a form.

    Returns None for a token that is not the server's, is another person's, or is too old.
    """
    lifetime = timedelta(seconds=settings.LEDGER_IDEMPOTENCY_RETENTION - _MARGIN_S)
    try:
        return f"form-{_signer(request).unsign(token, max_age=lifetime)}"
    except signing.BadSignature:
        return None


def _signer(request: HttpRequest) -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=f"{_SALT}.{request.user.pk}")
