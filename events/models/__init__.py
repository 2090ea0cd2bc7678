"""Tables of the events app."""

from events.models.consumers import Consumer

__all__ = ["Consumer"]
