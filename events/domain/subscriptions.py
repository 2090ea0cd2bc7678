"""Which types of events a webhook wants: ``*``, names, or ``hold.*``."""

from __future__ import annotations

from collections.abc import Collection

from events.domain.types import UnknownType, parse_types
from ledger_project.kernel.happenings import EventType


def chosen_types(wanted: Collection[str]) -> frozenset[EventType] | None:
    """Return the types that these texts name; None if they are all. Raises ``UnknownType``."""
    found: set[EventType] = set()
    for text in wanted:
        if "," in text or text != text.strip():
            raise UnknownType(f"{text[:100]!r} is no type of event")
        found |= parse_types(text)
    return None if len(found) == len(EventType) else frozenset(found)
