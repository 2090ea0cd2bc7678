"""What identifies an idempotency key, and how long it is kept."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from uuid import UUID

_ID_BYTES, _KEY_BYTES = 16, 4
"""The bytes of a record's id, and how many of them say the key alone."""


def record_id(owner: str, key: str) -> str:
    """Return the id of the record of a key: the 32 hexadecimal digits of a UUID.

    The primary key of the claims is thereby the rule that an owner uses a key once. The first 4
    bytes are the start of SHA-256 of the key, so a key is found whoever owns it. The other 12 are
    the start of SHA-256 of owner and key together.
    """
    content = _prefixed(key)
    digest = sha256(content).digest()[:_KEY_BYTES] + sha256(_prefixed(owner) + content).digest()[: _ID_BYTES - _KEY_BYTES]
    return digest.hex()


def ids_of_key(key: str) -> tuple[UUID, UUID]:
    """Return the lowest and the highest id that the record of a key may have, whoever owns it.

    Records of a few other keys may lie between them.
    """
    start, rest = sha256(_prefixed(key)).digest()[:_KEY_BYTES], _ID_BYTES - _KEY_BYTES
    return UUID(bytes=start + bytes(rest)), UUID(bytes=start + b"\xff" * rest)


def _prefixed(text: str) -> bytes:
    """Return a text as UTF-8 behind its length: no two pairs of texts become the same bytes."""
    content = text.encode()
    return len(content).to_bytes(4) + content


def first_day_kept(now: datetime, retention: timedelta) -> date:
    """Return the first day, in UTC, whose keys are kept now: none of the days before has a key
    that is younger than ``retention``.
    """
    return (now - retention).astimezone(UTC).date()


def kept_until(created_at: datetime, retention: timedelta) -> datetime:
    """Return until when a key is kept: ``retention`` after the end of its day in UTC.

    All keys of a day go together, so each of them is kept for ``retention`` at least and for a day
    longer at most.
    """
    end = created_at.astimezone(UTC).date() + timedelta(days=1)
    return datetime.combine(end, time(), UTC) + retention
