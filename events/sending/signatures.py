"""The headers of a delivery, by the Standard Webhooks specification (standardwebhooks.com)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from standardwebhooks import Webhook


def signed_headers(message_id: str, body: str, *, secrets: Sequence[str], now: datetime) -> Mapping[str, str]:
    """Return the headers of a body: its id, the time of this attempt, and one signature for each
    secret (``whsec_…``).

    A receiver accepts a message if one signature is good: so old and new secret work side by side.
    """
    signatures = [Webhook(secret).sign(message_id, now, body) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
