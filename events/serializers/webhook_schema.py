"""The section ``webhooks`` of the OpenAPI document: what is sent, and how a receiver answers."""

from __future__ import annotations

from typing import Any

from ledger_project.kernel.happenings import EventType

_EVENT = "EventJson"

_HEADERS = (
    ("webhook-id", "The event's id, the same in each attempt: keep an event once by it.", {"type": "string", "format": "uuid"}),
    ("webhook-timestamp", "Seconds since 1970, of this attempt.", {"type": "string", "pattern": "^[0-9]+$"}),
    (
        "webhook-signature",
        "HMAC-SHA256 of `id.timestamp.body` by the webhook's secret, as the Standard Webhooks specification has it. "
        "For 24 hours after a rotation there are two, with a blank between them.",
        {"type": "string", "pattern": "^v1,"},
    ),
)

_SUMMARIES = {"webhook.test": "Somebody tries the webhook out."}


def describe_webhooks(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Add a webhook for each type of event, and the one that tries a webhook out.

    A hook of drf-spectacular.
    """
    del kwargs
    if _EVENT in result["components"]["schemas"]:
        types = [*(event_type.value for event_type in EventType), "webhook.test"]
        result["webhooks"] = {event_type: {"post": _call(event_type)} for event_type in types}
    return result


def _call(event_type: str) -> dict[str, Any]:
    event: dict[str, Any] = {"$ref": f"#/components/schemas/{_EVENT}"}
    if event_type != "webhook.test":
        event = {"allOf": [event, {"type": "object", "properties": {"type": {"const": event_type}}}]}
    else:
        event = {"type": "object", "properties": {"id": {"type": "string", "format": "uuid"}, "type": {"const": event_type}}}
    return {
        "operationId": f"receive_{event_type.replace('.', '_')}",
        "summary": _SUMMARIES.get(event_type, f"{event_type} happened."),
        "description": "Sent at least once to each webhook that wants this type. Answer 2xx within 15 seconds when the event is kept; "
        "any other answer, a redirect too, has it sent again for three days. 410 disables the webhook.",
        "tags": ["webhooks"],
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": words, "schema": schema} for name, words, schema in _HEADERS
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": event}}},
        "responses": {"2XX": {"description": "The event is kept."}, "410": {"description": "Never again: the webhook is disabled."}},
    }
