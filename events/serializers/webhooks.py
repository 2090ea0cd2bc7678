"""JSON of webhooks and deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from rest_framework import serializers

from events.domain.addresses import LONGEST_URL
from events.domain.subscriptions import chosen_types
from events.domain.types import UnknownType
from events.models.webhooks import DeliveryStatus, WebhookStatus
from events.selectors.webhooks import DeliveryFacts, WebhookFacts
from ledger_project.http.cursors import PageQuery
from ledger_project.http.fields import Enumeration, StrictBoolean, StrictString, StrictUUID
from ledger_project.http.members import Json, timestamp
from ledger_project.kernel.exact_json import dumps

SHOWN_STATUSES = [WebhookStatus.ENABLED.value, WebhookStatus.PAUSED.value, WebhookStatus.DISABLED.value]
MOST_REPLAYED = 1000
"""Ids of one replay at most."""


class EventTypesField(serializers.ListField):
    """Types of events: ``*``, names, or ``hold.*``."""

    child = StrictString(max_length=32)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_empty=False, max_length=100, **kwargs)

    def to_internal_value(self, data: Any) -> list[str]:
        """Check that each text names a type."""
        texts: list[str] = super().to_internal_value(data)
        try:
            chosen_types(texts)
        except UnknownType as unknown:
            raise serializers.ValidationError(str(unknown), code="invalid_choice") from None
        return list(dict.fromkeys(texts))


class WebhookBody(serializers.Serializer[Any]):
    """A webhook that is to be registered."""

    url = StrictString(max_length=LONGEST_URL)
    types = EventTypesField(required=False, default=["*"])
    ordered = StrictBoolean(required=False, default=False)
    description = StrictString(required=False, allow_null=True, default=None, max_length=500)


class WebhookChangeBody(serializers.Serializer[Any]):
    """What is changed of a webhook; members that are left out stay."""

    url = StrictString(required=False, max_length=LONGEST_URL)
    types = EventTypesField(required=False)
    description = StrictString(required=False, allow_null=True, max_length=500)
    status = Enumeration([WebhookStatus.ENABLED.value, WebhookStatus.PAUSED.value], required=False)


class ReplayBody(serializers.Serializer[Any]):
    """Which events are sent once more: one of the two members."""

    schema_rules: ClassVar[Mapping[str, Any]] = {
        "oneOf": [{"required": ["from_event"]}, {"required": ["event_ids"]}],
        "properties": {"event_ids": {"minItems": 1, "maxItems": MOST_REPLAYED}},
    }

    from_event = StrictUUID(required=False)
    event_ids = serializers.ListField(child=StrictUUID(), required=False, allow_empty=False, max_length=MOST_REPLAYED)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse both and neither."""
        if len(attrs) != 1:
            raise serializers.ValidationError({"from_event": ["either from_event or event_ids is expected"]}, code="required")
        return attrs


class NoBody(serializers.Serializer[Any]):
    """An empty object."""


class DeliveryQuery(PageQuery):
    """The filters of a webhook's deliveries."""

    status = Enumeration([status.value for status in DeliveryStatus], required=False)


class WebhookJson(serializers.Serializer[Any]):
    """A webhook."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    types = serializers.ListField(child=serializers.CharField())
    ordered = serializers.BooleanField()
    description = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(SHOWN_STATUSES)
    created_at = serializers.DateTimeField()
    last_delivery_at = serializers.DateTimeField(allow_null=True)
    pending = serializers.IntegerField(help_text="Deliveries that wait or are tried again.")


class NewWebhookJson(WebhookJson):
    """A webhook that was registered."""

    secret = serializers.CharField(allow_null=True, help_text="Shown here and on rotation only; null in a replay.")


class WebhookPageJson(serializers.Serializer[Any]):
    """A page of webhooks."""

    items = WebhookJson(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class SecretJson(serializers.Serializer[Any]):
    """A new secret."""

    secret = serializers.CharField(allow_null=True, help_text="Shown once; null in a replay.")
    previous_expires_at = serializers.DateTimeField(help_text="Until then the secret before signs, too.")


class TrialJson(serializers.Serializer[Any]):
    """What became of a test."""

    status_code = serializers.IntegerField(allow_null=True)
    duration_ms = serializers.IntegerField()
    error = serializers.CharField(allow_null=True)


class AttemptJson(serializers.Serializer[Any]):
    """An attempt at a delivery."""

    at = serializers.DateTimeField()
    status_code = serializers.IntegerField(allow_null=True)
    duration_ms = serializers.IntegerField()
    error = serializers.CharField(allow_null=True)


class DeliveryJson(serializers.Serializer[Any]):
    """A delivery."""

    id = serializers.UUIDField()
    event_id = serializers.UUIDField()
    type = serializers.CharField()
    status = serializers.ChoiceField([status.value for status in DeliveryStatus])
    attempts = AttemptJson(many=True)
    next_attempt_at = serializers.DateTimeField(allow_null=True)


class DeliveryPageJson(serializers.Serializer[Any]):
    """A page of deliveries."""

    items = DeliveryJson(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class ReplayJson(serializers.Serializer[Any]):
    """How many deliveries a replay makes."""

    deliveries = serializers.IntegerField()


def new_webhook_json(webhook: WebhookFacts, secret: str | None) -> Json:
    """Return the answer to a registration, with the secret, or as it is kept."""
    return {**webhook.as_json(), "secret": secret}


def secret_json(secret: str | None, previous_expires_at: datetime | None) -> Json:
    """Return the answer to a rotation, with the secret, or as it is kept."""
    return {"secret": secret, "previous_expires_at": _timestamp(previous_expires_at)}


def delivery_text(delivery: DeliveryFacts) -> str:
    """Return a delivery as JSON."""
    shown = {
        "id": str(delivery.id),
        "event_id": str(delivery.event_id),
        "type": delivery.type,
        "status": delivery.status,
        "attempts": list(delivery.attempts),
        "next_attempt_at": _timestamp(delivery.next_attempt_at),
    }
    return dumps(shown).decode()


def trial_event_text(event_id: UUID, at: datetime, webhook: WebhookFacts) -> str:
    """Return the body of a test."""
    event = {"id": str(event_id), "type": "webhook.test", "created_at": timestamp(at), "data": {"webhook": webhook.as_json()}}
    return dumps(event).decode()


def _timestamp(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)
