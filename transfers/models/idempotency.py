"""Idempotency records: what was answered under which key."""

from django.db import models


class IdempotencyRecord(models.Model):
    """The first answer under a key, which is given again byte for byte.

    ``owner`` is the owner of the key, ``platform`` or ``merchant:<id>``, whichever credential was
    sent; the transfer names the credential. The transaction that moves the money inserts the record
    first and completes it, so other transactions never see a record without its answer. ``body`` is
    text, since ``jsonb`` would reorder its keys. ``fingerprint`` is SHA-256 over method, path and
    the canonical parsed body.
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
