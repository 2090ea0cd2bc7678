"""Webhooks and their deliveries, as their owners see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

from django.db import connection

from events.models import Delivery, Webhook
from events.models.webhooks import WebhookStatus
from ledger_project.kernel.actors import Actor


@dataclass(frozen=True, slots=True)
class WebhookFacts:
    """A webhook as it is shown. ``pending`` are its deliveries that wait or are tried again."""

    id: UUID
    merchant_id: UUID | None
    url: str
    types: Sequence[str]
    ordered: bool
    description: str | None
    status: str
    created_at: datetime
    last_delivery_at: datetime | None
    pending: int

    def as_json(self) -> dict[str, object]:
        """The webhook as its own GET shows it, and the event of its end."""
        return {
            "id": str(self.id),
            "url": self.url,
            "types": list(self.types),
            "ordered": self.ordered,
            "description": self.description,
            "status": self.status,
            "created_at": _timestamp(self.created_at),
            "last_delivery_at": None if self.last_delivery_at is None else _timestamp(self.last_delivery_at),
            "pending": self.pending,
        }


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


@dataclass(frozen=True, slots=True)
class DeliveryFacts:
    """A delivery as it is shown."""

    id: UUID
    event_id: UUID
    type: str
    status: str
    attempts: Sequence[Mapping[str, object]]
    next_attempt_at: datetime | None


# Rows of deleted ones are there until their deliveries are removed.
_SHOWN = """
SELECT w.id, w.merchant_id, w.url, w.types, w.ordered, w.description, w.status, w.created_at, w.last_delivery_at,
    (SELECT count(*) FROM events_delivery d WHERE d.webhook_id = w.id AND d.status = 'pending')
FROM events_webhook w
WHERE w.status <> 'deleted' AND (%(owner)s::uuid IS NULL OR w.merchant_id = %(owner)s)
    AND (%(id)s::uuid IS NULL OR w.id = %(id)s) AND (%(before)s::uuid IS NULL OR w.id < %(before)s)
ORDER BY w.id DESC LIMIT %(limit)s
"""


def _read(owner: UUID | None, *, webhook_id: UUID | None, before: UUID | None, limit: int) -> list[WebhookFacts]:
    with connection.cursor() as cursor:
        cursor.execute(_SHOWN, {"owner": owner, "id": webhook_id, "before": before, "limit": limit})
        return [WebhookFacts(*row) for row in cursor.fetchall()]


def list_webhooks(actor: Actor, *, before: UUID | None, limit: int) -> list[WebhookFacts]:
    """Return the webhooks that a caller sees, newest first: the platform sees all. Synchronous."""
    return _read(actor.merchant_id, webhook_id=None, before=before, limit=limit)


def get_webhook(webhook_id: UUID, actor: Actor) -> WebhookFacts | None:
    """Return a webhook; None if there is none, or the caller may not see it. Synchronous."""
    found = _read(actor.merchant_id, webhook_id=webhook_id, before=None, limit=1)
    return found[0] if found else None


def list_deliveries(webhook_id: UUID, *, status: str | None, before: UUID | None, limit: int) -> list[DeliveryFacts]:
    """Return the deliveries of a webhook, newest first. Synchronous."""
    rows = Delivery.objects.filter(webhook_id=webhook_id)
    if status is not None:
        rows = rows.filter(status=status)
    if before is not None:
        rows = rows.filter(id__lt=before)
    columns = rows.order_by("-id").values_list("id", "event_id", "type", "status", "attempts", "next_attempt_at")
    return [DeliveryFacts(*row) for row in columns[:limit]]


def stored_secrets(webhook_id: UUID) -> list[str]:
    """Return the secrets that sign for a webhook now, as they are stored, the newest first.
    Synchronous.
    """
    statement = """
    SELECT secret, CASE WHEN previous_expires_at > clock_timestamp() THEN previous_secret END FROM events_webhook WHERE id = %s
    """
    with connection.cursor() as cursor:
        cursor.execute(statement, [webhook_id])
        row = cast("tuple[str | None, ...]", cursor.fetchone() or ())
    return [secret for secret in row if secret is not None]


def visible_webhook(webhook_id: UUID, actor: Actor) -> Webhook | None:
    """Return the row of a webhook that a caller sees. Synchronous."""
    rows = Webhook.objects.filter(id=webhook_id).exclude(status=WebhookStatus.DELETED.value)
    return (rows if actor.merchant_id is None else rows.filter(merchant_id=actor.merchant_id)).first()
