"""Idempotency records: by their id, by their key.

A record is found by the time of its claim, so each query is two round trips at most.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from transfers.domain.idempotency import ids_of_key
from transfers.models import IdempotencyClaim, IdempotencyRecord

MOST = 50
"""The most records of one key that are found: that many owners have used the same one."""


def get_record(record_id: UUID) -> IdempotencyRecord | None:
    """Return the record of an id; None if there is none."""
    return _of_claims(IdempotencyClaim.objects.filter(id=record_id)).first()


def find_records(key: str) -> QuerySet[IdempotencyRecord]:
    """Return the records of a key, whoever owns it, newest first."""
    return _of_claims(IdempotencyClaim.objects.filter(id__range=ids_of_key(key))).filter(key=key)


def _of_claims(claims: QuerySet[IdempotencyClaim]) -> QuerySet[IdempotencyRecord]:
    found: Iterable[tuple[UUID, datetime]] = list(claims.values_list("id", "created_at")[:MOST])
    return IdempotencyRecord.objects.filter(created_at__in=[at for _, at in found], id__in=[record_id for record_id, _ in found])
