"""The examples of webhooks in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping

WEBHOOK = "0199c0de-0000-7000-8000-000000010001"


def webhook_bodies(event: str, url: str) -> dict[str, Mapping[str, object]]:
    """Return the example of each body about webhooks, by its call."""
    return {
        "create_webhook": {"url": url, "types": ["transfer.posted", "hold.*"], "description": "Orders"},
        "change_webhook": {"description": "Orders and returns", "status": "paused"},
        "replay_events": {"event_ids": [event]},
        "rotate_webhook_secret": {},
        "test_webhook": {},
    }


def webhook_answers(event: str, time: str) -> dict[str, object]:
    """Return the example of each answer about webhooks, by its schema's name."""
    webhook = {
        "id": WEBHOOK,
        "url": "https://hooks.mira.example/ledger",
        "types": ["transfer.posted", "hold.*"],
        "ordered": False,
        "description": "Orders",
        "status": "enabled",
        "created_at": time,
        "last_delivery_at": None,
        "pending": 0,
    }
    shown_once = {"secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDsWyn6Qf3yJk="}
    attempt = {"status_code": 200, "duration_ms": 12, "error": None}
    delivery = {
        "id": "0199c0de-0000-7000-8000-000000010002",
        "event_id": event,
        "type": "transfer.posted",
        "status": "delivered",
        "attempts": [{"at": time, **attempt}],
        "next_attempt_at": None,
    }
    return {
        "WebhookJson": webhook,
        "NewWebhookJson": {**webhook, **shown_once},
        "WebhookPageJson": {"items": [webhook], "next_cursor": None},
        "SecretJson": {**shown_once, "previous_expires_at": time},
        "TrialJson": attempt,
        "DeliveryPageJson": {"items": [delivery], "next_cursor": None},
        "ReplayJson": {"deliveries": 1},
    }
