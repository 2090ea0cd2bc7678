"""Consumers: who reads the feed in the background, and how far each one is."""

from django.db import models


class Consumer(models.Model):
    """A reader of the feed that makes work of events: deliveries to webhooks, mails of receipts.

    ``cursor`` is the id of the last event that it has dealt with, None before the first. It moves
    in the transaction that makes the work: so each event becomes work once.
    """

    name = models.CharField(primary_key=True, max_length=64)
    cursor = models.UUIDField(null=True)
    moved_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
