"""UUIDv7 (RFC 9562) whose order is the order of posting times, to the microsecond.

A transfer's id is made from the time the database gave its batch: 48 bits of milliseconds, 12 bits
of the fraction of that millisecond (RFC 9562 section 6.2, method 3; a microsecond is 4.096 of
these, so no two microseconds collide), then the position in the batch, then random bits, then the
bucket. So ``ORDER BY id`` is ``ORDER BY created_at``, a list needs one index for order, cursor and
time range, and new rows go to the right edge of every index that begins or ends with the id.

The bucket is the last ten bits of a merchant's id. The ids of its accounts, and of the transfers
and holds that it pays, end with the same bits. So an id tells where a thing lies when the ledger is
spread over several servers. The bits of a merchant's own id are random.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VERSION_AND_VARIANT = (0x7 << 76) | (0b10 << 62)
_POSITION_BITS = 20
_BUCKET_BITS = 10
_RANDOM_BITS = 62 - _POSITION_BITS - _BUCKET_BITS
_BUCKET = (1 << _BUCKET_BITS) - 1
_MICROSECOND = timedelta(microseconds=1)


def _time_bits(moment: datetime) -> int:
    millisecond, microsecond = divmod((moment - _EPOCH) // _MICROSECOND, 1000)
    return (millisecond << 80) | ((microsecond * 4096 // 1000) << 64)


def uuid7_at(moment: datetime, *, position: int, entropy: int, place: UUID) -> UUID:
    """Return the UUIDv7 of a moment, in the bucket of ``place``.

    ``position`` (below 2^20) orders ids of one batch, ``entropy`` keeps batches apart.
    """
    tail = (position << _RANDOM_BITS | (entropy & ((1 << _RANDOM_BITS) - 1))) << _BUCKET_BITS
    return UUID(int=_time_bits(moment) | _VERSION_AND_VARIANT | tail | (place.int & _BUCKET))


def beside(made: UUID, place: UUID) -> UUID:
    """Return an id that was just made, in the bucket of ``place``."""
    return UUID(int=made.int & ~_BUCKET | place.int & _BUCKET)


def first_uuid7_at(moment: datetime) -> UUID:
    """Return the smallest UUIDv7 of a moment: ids of earlier moments sort before it, all others
    from it on.

    No id is from before 1970: for an earlier moment it is the smallest of all.
    """
    return UUID(int=_time_bits(max(moment, _EPOCH)) | _VERSION_AND_VARIANT)


def last_uuid7_at(moment: datetime) -> UUID:
    """Return the largest UUIDv7 of a moment: it stands for all that is up to it. No id of a row is
    this one.
    """
    return UUID(int=first_uuid7_at(moment).int | ((1 << 62) - 1))


def id_in(text: str) -> UUID | None:
    """Return the id that a text is; None if it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None


def time_of(uuid7: UUID) -> datetime:
    """Return the moment that an id of ``uuid7_at`` was made for, to the microsecond."""
    millisecond = uuid7.int >> 80
    fraction = (uuid7.int >> 64) & 0xFFF
    return _EPOCH + timedelta(milliseconds=millisecond, microseconds=-(-fraction * 1000 // 4096))
