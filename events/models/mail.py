"""Mails of receipts: one for each transfer and party whose merchant has an address for them."""

from enum import StrEnum

from django.db import models
from django.db.models import Q

from ledger_project.database.fields import values


class MailStatus(StrEnum):
    """What became of a mail.

    ``UNWANTED``: the merchant had no address any more. ``FAILED``: it was given up.
    """

    PENDING = "pending"
    SENT = "sent"
    UNWANTED = "unwanted"
    FAILED = "failed"


_IS_OVER = Q(status__in=[MailStatus.SENT.value, MailStatus.UNWANTED.value])


class ReceiptMail(models.Model):
    """A mail that is to be sent, or was. ``number`` is the receipt's, so there is one for each.

    It is claimed before it is sent: ``attempts`` counts the claims since ``created_at``, and
    ``next_attempt_at`` is when somebody else may try. An operator may have asked for it, at
    ``created_at``, once more (``is_asked_for``). ``sent_at`` is when it was last sent. The address
    is the merchant's at the time of sending, and is not kept here.
    """

    number = models.CharField(primary_key=True, max_length=40)
    transfer_id = models.UUIDField()
    account_id = models.UUIDField()
    created_at = models.DateTimeField()
    is_asked_for = models.BooleanField(default=False)
    status = models.CharField(max_length=8, choices=[(s.value, s.value) for s in MailStatus])
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        ordering = ["-created_at"]
        verbose_name = "mail of a receipt"
        verbose_name_plural = "mails of receipts"
        permissions = [("send_receiptmail", "Can have receipts mailed once more")]
        indexes = [
            models.Index(fields=["next_attempt_at"], name="receipt_mail_due", condition=Q(status="pending")),
            models.Index(fields=["created_at"], name="receipt_mail_over", condition=_IS_OVER),
            models.Index(fields=["status", "created_at"], name="receipt_mail_open", condition=~_IS_OVER),
            models.Index(fields=["transfer_id"], name="receipt_mail_transfer"),
            models.Index(fields=["-created_at"], name="receipt_mail_newest"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=values(MailStatus)), name="receipt_mail_status_known"),
            models.CheckConstraint(
                condition=Q(status="pending", next_attempt_at__isnull=False) | (~Q(status="pending") & Q(next_attempt_at__isnull=True)),
                name="receipt_mail_next_attempt_of_pending",
            ),
        ]

    def __str__(self) -> str:
        return self.number
