"""Idempotency keys in the database: how tests claim them, look at them and make old ones."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from tests.support.service_role import owner_connection
from transfers.domain.idempotency import record_id
from transfers.models import IdempotencyClaim, IdempotencyRecord


def claim_of(key: str, owner: str = "platform") -> str:
    """Return the SQL that claims a key, as another process would."""
    return f"INSERT INTO transfers_idempotencyclaim (id, created_at) VALUES ('{record_id(owner, key)}', now())"


def forget_key(key: str, owner: str = "platform") -> int:
    """Remove a key, as its purge will, and return how many answers were stored under it."""
    with owner_connection() as raw:
        raw.execute("DELETE FROM transfers_idempotencyclaim WHERE id = %s", [record_id(owner, key)])
        return raw.execute("DELETE FROM transfers_idempotencyrecord WHERE id = %s", [record_id(owner, key)]).rowcount


def make_keys(keys: Iterable[str], *, at: datetime, owner: str) -> list[IdempotencyRecord]:
    """Insert keys that were answered at a moment, claims and records."""
    found = [(UUID(record_id(owner, key)), key, at + place * timedelta(microseconds=1)) for place, key in enumerate(keys)]
    IdempotencyClaim.objects.bulk_create(IdempotencyClaim(id=id_, created_at=moment) for id_, _, moment in found)
    return IdempotencyRecord.objects.bulk_create(
        IdempotencyRecord(id=id_, owner=owner, key=key, fingerprint=UUID(bytes=b"x" * 16), status_code=409, body="{}", created_at=moment)
        for id_, key, moment in found
    )
