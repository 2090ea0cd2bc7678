"""Approvals and their policies."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from approvals.domain.policies import WITHOUT_AMOUNT, Action
from approvals.domain.states import ApprovalStatus
from ledger_project.database.fields import IdField, MinorUnitsField, values
from ledger_project.kernel.money import MAX_BALANCE_MINOR
from merchants.models import Currency, Merchant

DECIDED = [status.value for status in ApprovalStatus if status not in {ApprovalStatus.PENDING, ApprovalStatus.EXPIRED}]
"""The states that a person has brought about."""

ONE_OPEN = "approval_one_open"
"""The unique constraint: of one operation, one approval waits at a time."""


class ApprovalPolicy(models.Model):
    """An action that needs a second person, from an amount on.

    Without a currency it is for all, and every amount. Deleting it ends it for new requests; what
    waits already goes on waiting.
    """

    id = IdField()
    action = models.CharField(max_length=16, choices=[(a.value, a.value.replace("_", " ")) for a in Action])
    currency = models.ForeignKey(Currency, models.PROTECT, null=True, blank=True, related_name="+")
    from_minor = MinorUnitsField(default=0)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["action", "currency_id"]
        verbose_name_plural = "approval policies"
        constraints = [
            models.UniqueConstraint(fields=["action", "currency"], name="approval_policy_unique", nulls_distinct=False),
            models.CheckConstraint(condition=Q(action__in=values(Action)), name="approval_policy_action_known"),
            models.CheckConstraint(condition=Q(from_minor__gte=0, from_minor__lte=MAX_BALANCE_MINOR), name="approval_policy_amount"),
            models.CheckConstraint(
                condition=Q(from_minor=0) | (Q(currency__isnull=False) & ~Q(action__in=sorted(action.value for action in WITHOUT_AMOUNT))),
                name="approval_policy_amount_has_currency",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} in {self.currency_id or 'every currency'}"


class Approval(models.Model):
    """A command that waits for a second person, or was decided.

    ``operation`` is the exact command (``domain/operations.py``), ``fingerprint`` its SHA-256; both
    never change, and a decision is final (``sql/guards.sql``). ``requested_by`` and ``decided_by``
    are principals. ``transfer_id`` is what an approved command posted.
    """

    id = IdField()
    created_at = models.DateTimeField(db_default=Now())
    action = models.CharField(max_length=16)
    currency = models.CharField(max_length=12, blank=True)
    amount_minor = MinorUnitsField(null=True)
    merchant = models.ForeignKey(Merchant, models.PROTECT, null=True, related_name="+", db_index=False)
    operation = models.TextField()
    fingerprint = models.BinaryField(max_length=32)
    summary = models.TextField()
    reason = models.TextField(blank=True)
    requested_by = models.CharField(max_length=255)
    request_id = models.CharField(max_length=128, blank=True)
    expires_at = models.DateTimeField()
    status = models.CharField(max_length=16, default=ApprovalStatus.PENDING.value, choices=[(s.value, s.value) for s in ApprovalStatus])
    decided_by = models.CharField(max_length=255, blank=True)
    decided_at = models.DateTimeField(null=True)
    decision_reason = models.TextField(blank=True)
    transfer_id = models.UUIDField(null=True)
    failure_code = models.CharField(max_length=64, blank=True)
    failure_detail = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        permissions = [("decide_approval", "Can approve and reject what others asked for")]
        indexes = [
            models.Index(fields=["status", "id"], name="approval_status_id"),
            models.Index(fields=["action", "id"], name="approval_action_id"),
            models.Index(fields=["currency", "id"], name="approval_currency_id"),
            models.Index(fields=["merchant", "id"], name="approval_merchant_id", condition=Q(merchant__isnull=False)),
            models.Index(fields=["transfer_id"], name="approval_transfer", condition=Q(transfer_id__isnull=False)),
        ]
        constraints = [
            models.UniqueConstraint(fields=["fingerprint"], name=ONE_OPEN, condition=Q(status=ApprovalStatus.PENDING.value)),
            models.CheckConstraint(condition=Q(status__in=values(ApprovalStatus)), name="approval_status_known"),
            models.CheckConstraint(
                condition=Q(status=ApprovalStatus.PENDING.value, decided_at__isnull=True)
                | (~Q(status=ApprovalStatus.PENDING.value) & Q(decided_at__isnull=False)),
                name="approval_decided_once",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=DECIDED) | ~Q(decided_by=F("requested_by")),
                name="approval_by_another",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.id}"
