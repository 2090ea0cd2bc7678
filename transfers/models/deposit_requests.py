"""Requests to add money, which operators confirm or decline.

They lie beside the journal and are no part of it: only a confirmation posts.
"""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from ledger_project.database.fields import MinorUnitsField, values
from ledger_project.kernel.money import MAX_BALANCE_MINOR
from merchants.models import Currency, Merchant
from transfers.domain.deposit_requests import DepositRequestStatus
from transfers.models.journal import Transfer


class DepositRequest(models.Model):
    """A member's word that money comes from outside.

    ``principal`` asked; ``decided_by`` is the operator. A decided request never changes
    (sql/deposit_requests.sql).
    """

    created_at = models.DateTimeField(db_default=Now())
    decided_at = models.DateTimeField(null=True)
    id = models.UUIDField(primary_key=True, editable=False)
    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    transfer = models.ForeignKey(Transfer, models.PROTECT, null=True, related_name="+", db_index=False)
    currency = models.ForeignKey(Currency, models.PROTECT, related_name="+", db_index=False)
    status = models.CharField(
        max_length=9, choices=[(s.value, s.value) for s in DepositRequestStatus], default=DepositRequestStatus.PENDING.value
    )
    amount_minor = MinorUnitsField()
    memo = models.CharField(max_length=500, null=True)
    principal = models.CharField(max_length=255)
    bank_reference = models.CharField(max_length=255, null=True)
    decided_by = models.CharField(max_length=255, null=True)
    reason = models.CharField(max_length=400, null=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "request to add money"
        verbose_name_plural = "requests to add money"
        permissions = [("decide_depositrequest", "Can confirm and decline requests to add money")]
        indexes = [
            models.Index(fields=["merchant", "currency", "id"], name="deposit_request_wallet_id"),
            models.Index(fields=["id"], name="deposit_request_pending", condition=Q(status=DepositRequestStatus.PENDING.value)),
        ]
        constraints = [
            # One payment of a bank is the money of one request, whoever confirms at the same time.
            models.UniqueConstraint(
                fields=["bank_reference"], name="deposit_request_reference_unique", condition=Q(bank_reference__isnull=False)
            ),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="deposit_request_amount_positive"),
            models.CheckConstraint(condition=Q(amount_minor__lte=MAX_BALANCE_MINOR), name="deposit_request_amount_bounded"),
            models.CheckConstraint(condition=Q(status__in=values(DepositRequestStatus)), name="deposit_request_status_known"),
            models.CheckConstraint(
                condition=Q(
                    status=DepositRequestStatus.PENDING.value,
                    transfer__isnull=True,
                    bank_reference__isnull=True,
                    decided_at__isnull=True,
                    decided_by__isnull=True,
                    reason__isnull=True,
                )
                | Q(
                    status=DepositRequestStatus.CONFIRMED.value,
                    transfer__isnull=False,
                    bank_reference__isnull=False,
                    decided_at__isnull=False,
                    decided_by__isnull=False,
                    reason__isnull=True,
                )
                | Q(
                    status=DepositRequestStatus.DECLINED.value,
                    transfer__isnull=True,
                    bank_reference__isnull=True,
                    decided_at__isnull=False,
                    decided_by__isnull=False,
                    reason__isnull=False,
                ),
                name="deposit_request_decided_whole",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)
