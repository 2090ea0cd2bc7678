"""What callers are told about events that are not there."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

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
