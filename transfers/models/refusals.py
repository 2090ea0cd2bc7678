"""Refused postings, one row each."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from ledger_project.database.fields import MinorUnitsField
from ledger_project.kernel.money import MAX_BALANCE_MINOR
from merchants.models import Merchant
from transfers.domain.refusals import RefusedKind


class Refusal(models.Model):
    """A posting that was refused, kept as long as its key.

    It is no part of the journal: it is written where a posting is refused, in that transaction, and
    by no posting that succeeds. ``words`` and ``request_id`` are those of the caller's answer.
    ``source`` and ``target`` are the merchants that money was to go from and to, where the request
    named them; they have no foreign keys, so that nothing but the answer can make a refusal fail.
    ``owner`` and ``key`` are empty for a request without a key.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    created_at = models.DateTimeField()
    kind = models.CharField(max_length=16, blank=True, choices=[(k.value, k.value) for k in RefusedKind])
    code = models.CharField(max_length=64)
    words = models.TextField()
    source = models.ForeignKey(Merchant, models.PROTECT, null=True, related_name="+", db_constraint=False, db_index=False)
    target = models.ForeignKey(Merchant, models.PROTECT, null=True, related_name="+", db_constraint=False, db_index=False)
    currency = models.CharField(max_length=12, blank=True)
    amount_minor = MinorUnitsField(null=True)
    principal = models.CharField(max_length=255, blank=True)
    request_id = models.CharField(max_length=128, blank=True)
    owner = models.CharField(max_length=255, blank=True)
    key = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["created_at"], name="refusal_created_at"),
            models.Index(fields=["code", "created_at"], name="refusal_code"),
            models.Index(fields=["currency", "created_at"], name="refusal_currency"),
            models.Index(fields=["source", "created_at"], name="refusal_source"),
            models.Index(fields=["target", "created_at"], name="refusal_target"),
            models.Index(fields=["request_id"], name="refusal_request_id"),
            models.Index(fields=["key"], name="refusal_key", condition=~Q(key="")),
        ]
        constraints = [models.CheckConstraint(condition=Q(amount_minor__lte=MAX_BALANCE_MINOR), name="refusal_amount_bounded")]

    def __str__(self) -> str:
        return f"{self.code} {self.id}"
