"""Stored things for the examples of the OpenAPI document: those of transfers, and a webhook."""

from __future__ import annotations

from events.models import Webhook
from events.models.webhooks import WebhookStatus
from transfers.selectors import example_things as of_transfers

_LOOPBACK_URL = "http://127.0.0.1:9000/ledger"
"""Where the webhook of the examples points to: the story's own name resolves nowhere."""


def find_things(story_name: str) -> dict[str, str]:
    """Return the things that exist, by the names of ``Things`` (http/example_values.py).

    For open mode, in which a webhook may point to loopback.
    """
    things = of_transfers.find_things(story_name) | {"webhook_url": _LOOPBACK_URL}
    shown = Webhook.objects.exclude(status=WebhookStatus.DELETED.value)
    webhook = shown.order_by("-id").values_list("id", flat=True).first()
    return things if webhook is None else things | {"webhook": str(webhook)}
