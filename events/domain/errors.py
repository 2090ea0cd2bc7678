"""What callers are told about events and webhooks that are not there, or must not be."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from ledger_project.kernel.errors import InvalidRequest
from ledger_project.kernel.refusals import Refusal


class EventNotFound(Refusal):
    """No event has that id."""

    code = "event_not_found"
    title = "Event not found"

    def __init__(self, event_id: UUID | str) -> None:
        super().__init__(f"There is no event {event_id}.")
        self.event_id = str(event_id)

    def extra(self) -> Mapping[str, object]:
        """The id that was asked for."""
        return {"event_id": self.event_id}


class UrlNotAllowed(InvalidRequest):
    """A webhook must not point to this URL: it is not https, or not a public address."""

    code = "url_not_allowed"
    title = "URL not allowed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"A webhook cannot have this URL: {reason}.")


class WebhookNotFound(Refusal):
    """No webhook has that id, or it is somebody else's."""

    code = "webhook_not_found"
    title = "Webhook not found"

    def __init__(self, webhook_id: UUID | str) -> None:
        super().__init__(f"There is no webhook {webhook_id}.")
