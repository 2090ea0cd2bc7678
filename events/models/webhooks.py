"""Webhooks and their deliveries."""

from enum import StrEnum

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from ledger_project.database.fields import IdField, one_of, values
from merchants.models import Merchant


class WebhookStatus(StrEnum):
    """Whether deliveries are sent.

    A paused one was stopped by its owner, a disabled one by the service. A deleted one is shown to
    nobody; its rows are removed in the background.
    """

    ENABLED = "enabled"
    PAUSED = "paused"
    DISABLED = "disabled"
    DELETED = "deleted"


class DeliveryStatus(StrEnum):
    """What became of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Webhook(models.Model):
    """Where events are sent, for the platform (no merchant) or for a merchant.

    ``secret`` and ``previous_secret`` are encrypted (services/secrets.py). ``cursor`` is None while
    the webhook follows the cursor that all webhooks share; else it goes on by itself after this
    event (services/deliveries.py).

    One process at a time sends the deliveries of a webhook: the one with the lease ``leased_by``,
    until ``leased_until``.
    """

    id = IdField()
    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    url = models.TextField()
    types = ArrayField(models.CharField(max_length=32))
    ordered = models.BooleanField(default=False)
    description = models.TextField(null=True, blank=True)
    status = models.CharField(max_length=8, default=WebhookStatus.ENABLED.value, choices=[(s.value, s.value) for s in WebhookStatus])
    disabled_because = models.TextField(null=True, blank=True)
    secret = models.TextField()
    previous_secret = models.TextField(null=True)
    previous_expires_at = models.DateTimeField(null=True)
    cursor = models.UUIDField(null=True)
    leased_by = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)
    last_delivery_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        permissions = [("operate_webhook", "Can pause, enable and try webhooks, and have events sent again")]
        constraints = [
            models.CheckConstraint(condition=models.Q(status__in=values(WebhookStatus)), name="webhook_status_known"),
            models.CheckConstraint(condition=models.Q(types__len__gt=0), name="webhook_has_types"),
        ]

    def __str__(self) -> str:
        return self.url


class Delivery(models.Model):
    """An event that is sent to a webhook.

    ``id`` orders the deliveries of a webhook as their events. ``attempts`` are
    {at, status_code, duration_ms, error}, in order. ``tried_since`` is the first attempt since the
    webhook was last enabled, and ``failures`` are counted from then: it is tried for three days.

    An open delivery is a part of two small indexes, a delivered one of none of them.
    """

    id = IdField()
    webhook = models.ForeignKey(Webhook, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False)
    event_id = models.UUIDField()
    type = models.CharField(max_length=32)
    status = models.CharField(max_length=9, default=DeliveryStatus.PENDING.value, choices=[(s.value, s.value) for s in DeliveryStatus])
    attempts = models.JSONField(default=list)
    failures = models.SmallIntegerField(default=0)
    tried_since = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(fields=["webhook", "id"], name="delivery_of_webhook"),
            models.Index(fields=["webhook", "next_attempt_at", "id"], name="delivery_due", condition=models.Q(status="pending")),
            models.Index(fields=["webhook", "status", "id"], name="delivery_open", condition=~models.Q(status="delivered")),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(status__regex=one_of(DeliveryStatus)), name="delivery_status_known"),
            models.CheckConstraint(
                condition=models.Q(status="pending", next_attempt_at__isnull=False)
                | (~models.Q(status="pending") & models.Q(next_attempt_at__isnull=True)),
                name="delivery_next_attempt_of_pending",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"
