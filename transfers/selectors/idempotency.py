"""Idempotency records: by their id, by their key, by the transfer that they are about.

A record is found by the time of its claim, so each query is two round trips at most.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet

from transfers.domain.idempotency import ids_of_key
from transfers.models import IdempotencyClaim, IdempotencyRecord, Transfer

MOST = 50
"""The most records of one key that are found: that many owners have used the same one."""

_BEFORE, _AFTER = timedelta(minutes=1), timedelta(seconds=1)
"""How long before its transfer a key may have been claimed. The keys of a batch have a microsecond
more each, so some are later than the first transfers."""


def get_record(record_id: UUID) -> IdempotencyRecord | None:
    """Return the record of an id; None if there is none."""
    return _of_claims(IdempotencyClaim.objects.filter(id=record_id)).first()


def find_records(key: str) -> QuerySet[IdempotencyRecord]:
    """Return the records of a key, whoever owns it, newest first."""
    return _of_claims(IdempotencyClaim.objects.filter(id__range=ids_of_key(key))).filter(key=key)


def record_of(transfer: Transfer) -> IdempotencyRecord | None:
    """Return the record of the key under which a transfer was posted; None if there was no key, or
    it was purged.
    """
    times = (transfer.created_at - _BEFORE, transfer.created_at + _AFTER)
    return IdempotencyRecord.objects.filter(created_at__range=times, transfer_id=transfer.id).first()


def _of_claims(claims: QuerySet[IdempotencyClaim]) -> QuerySet[IdempotencyRecord]:
    found: Iterable[tuple[UUID, datetime]] = list(claims.values_list("id", "created_at")[:MOST])
    return IdempotencyRecord.objects.filter(created_at__in=[at for _, at in found], id__in=[record_id for record_id, _ in found])
