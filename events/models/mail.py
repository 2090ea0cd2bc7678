"""Mails of receipts: one for each transfer and party whose merchant has an address for them."""

from django.db import models
from django.db.models import Q


class ReceiptMail(models.Model):
    """A mail that is to be sent, or was. ``number`` is the receipt's, so there is one for each.

    It is claimed before it is sent: ``attempts`` counts the claims, and ``next_attempt_at`` is when
    somebody else may try. It is None when the mail was sent, is no longer wanted, or was given up;
    ``sent_at`` tells which. The address is the merchant's at the time of sending, and is not kept
    here.
    """

    number = models.CharField(primary_key=True, max_length=40)
    transfer_id = models.UUIDField()
    account_id = models.UUIDField()
    created_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        indexes = [
            models.Index(fields=["next_attempt_at"], name="receipt_mail_due", condition=Q(next_attempt_at__isnull=False)),
            models.Index(fields=["transfer_id"], name="receipt_mail_transfer"),
        ]

    def __str__(self) -> str:
        return self.number
