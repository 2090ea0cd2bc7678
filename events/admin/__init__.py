"""Webhooks and their deliveries in the admin."""

from events.admin import deliveries, webhooks

__all__ = ["deliveries", "webhooks"]
