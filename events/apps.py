"""The events app: what happened, told to others."""

from django.apps import AppConfig


class EventsConfig(AppConfig):
    """The feed, and those who read it in the background."""

    name = "events"
