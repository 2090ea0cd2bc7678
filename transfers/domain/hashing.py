"""The chain of hashes that makes a change to old rows visible.

Each entry's hash is SHA-256 over the hash of the account's previous entry and this entry's canonical bytes: fixed-width fields in
fixed order, then the variable ones, each behind its length in one byte. The chain is per account, so it takes no lock that posting
does not hold already.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

GENESIS = bytes(32)
"""What the first entry of an account is chained to."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """Return whole microseconds since 1970-01-01T00:00:00Z."""
    return (moment - _EPOCH) // _MICROSECOND


def entry_hash(
    previous: bytes, account_id: UUID, sequence: int, *, transfer_id: UUID, moment_us: int, movement: tuple[str, str, int, int]
) -> bytes:
    """Return an entry's hash. ``movement`` is its direction, type, amount and balance after it, both in minor units."""
    parts = [previous, account_id.bytes, sequence.to_bytes(8), transfer_id.bytes, moment_us.to_bytes(8)]
    for value in movement:
        text = str(value).encode()
        parts.append(bytes((len(text),)))
        parts.append(text)
    return hashlib.sha256(b"".join(parts)).digest()
