"""What was answered under which key."""

from django.db import models


class IdempotencyRecord(models.Model):
    """The first answer under a key, kept to be given again, byte for byte.

    ``owner`` is whose key it is: ``platform`` or ``merchant:<id>``, with whatever credential it called; who called stands on the transfer.
    Claimed (inserted) at the start of the transaction that moves the money and completed in it, so that a record without its answer
    is never visible to anybody else. ``body`` is text, not JSON: ``jsonb`` would reorder its keys. ``fingerprint`` is SHA-256 over
    method, path and the canonical parsed body.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    owner = models.CharField(max_length=255)
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField(max_length=32)
    status_code = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(null=True)
    transfer = models.ForeignKey("Transfer", models.PROTECT, null=True, related_name="+", db_constraint=False, db_index=False)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["expires_at"], name="idempotency_expires_at")]
        constraints = [
            models.UniqueConstraint(fields=["key", "owner"], name="idempotency_owner_key_unique"),
            models.CheckConstraint(
                condition=models.Q(status_code__isnull=True, body__isnull=True) | models.Q(status_code__isnull=False, body__isnull=False),
                name="idempotency_answer_whole",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)
