"""Idempotency keys: which are claimed, and what was answered under them."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models

from transfers.domain.idempotency import kept_until


class IdempotencyClaim(models.Model):
    """A key that is used.

    A posting claims its keys first. Another transaction that claims one of them waits for its end.
    ``id`` is made from owner and key (``domain/idempotency.py``). ``created_at`` is the start of
    the transaction and, along the keys of a batch, a microsecond more each; the record of the key
    has it, too.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.id)


class IdempotencyRecord(models.Model):
    """The first answer under a key, which is given again byte for byte.

    ``owner`` is the owner of the key, ``platform`` or ``merchant:<id>``, whichever credential was
    sent; the transfer names the credential. The transaction that moves the money claims the key
    first and inserts the record last, so other transactions see both or neither. ``body`` is text,
    since ``jsonb`` would reorder its keys. ``fingerprint`` is the first half of SHA-256 over
    method, path and the canonical parsed body.

    The table is a ring of 32, one for the records of a day (``sql/idempotency.sql``). ``id`` has no
    index there: a record is found by the time of its claim (``selectors/idempotency.py``).
    """

    id = models.UUIDField(primary_key=True, editable=False)
    owner = models.CharField(max_length=255)
    key = models.CharField(max_length=255)
    fingerprint = models.UUIDField()
    status_code = models.SmallIntegerField()
    body = models.TextField()
    transfer = models.ForeignKey("Transfer", models.PROTECT, null=True, related_name="+", db_constraint=False, db_index=False)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["created_at"], name="idempotency_created_at")]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def expires_at(self) -> datetime:
        """Until when the key is kept."""
        return kept_until(self.created_at, timedelta(seconds=settings.LEDGER_IDEMPOTENCY_RETENTION))
