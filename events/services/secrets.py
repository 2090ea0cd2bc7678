"""The secrets of webhooks: made, and encrypted at rest.

Signing needs a secret as it is, so a hash will not do.
"""

from __future__ import annotations

import base64
import secrets

from ledger_project.database.sealing import seal, unseal

_PURPOSE = "ledger.events.webhook-secret.v1"
_BYTES = 32


def new_secret() -> str:
    """Return a secret in the form of the Standard Webhooks specification: 256 random bits."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def sealed(secret: str) -> str:
    """Return a secret as it is stored."""
    return seal(secret, purpose=_PURPOSE)


def unsealed(stored: str) -> str | None:
    """Return a stored secret; None if ``SECRET_KEY`` is another one now, and the former is not
    among the fallbacks.
    """
    return unseal(stored, purpose=_PURPOSE)
