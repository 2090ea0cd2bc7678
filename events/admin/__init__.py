"""Webhooks, their deliveries and mails of receipts in the admin."""

from events.admin import deliveries, mail, webhooks

__all__ = ["deliveries", "mail", "webhooks"]
