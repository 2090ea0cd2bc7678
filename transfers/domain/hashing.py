"""Hashes of entries: a chain that makes a change to old rows visible.

An entry's hash is SHA-256 over the hash of the account's previous entry and this entry's canonical
bytes: fixed-width fields in fixed order, then the variable ones, each behind its length in one
byte. Each account has its own chain, so hashing takes no lock that posting does not already hold.

``seal`` hashes after planning. A plan that is taken back costs no hash, and the database works on
the transfers in the meantime.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from transfers.domain.kinds import Direction, EntryType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transfers.domain.ledger import PostedEntry

GENESIS = bytes(32)
"""The previous hash of an account's first entry."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LENGTHS = [bytes((length,)) for length in range(256)]


def _prefixed(text: str) -> bytes:
    return _LENGTHS[len(text)] + text.encode()


WORDS = {(str(direction), str(kind)): _prefixed(direction) + _prefixed(kind) for direction in Direction for kind in EntryType}
"""By direction and type, their part of an entry's canonical bytes."""


def posting_bytes(transfer_id: UUID, moment: datetime) -> bytes:
    """Return the bytes that a transfer's entries share: its id and its time.

    The time is in whole microseconds since 1970-01-01T00:00:00Z.
    """
    return transfer_id.bytes + ((moment - _EPOCH) // _MICROSECOND).to_bytes(8)


def entry_hash(previous: bytes, account: bytes, sequence: int, posting: bytes, movement: tuple[str, str, int, int]) -> bytes:
    """Return an entry's hash.

    ``account`` is the id's 16 bytes. ``posting`` comes from ``posting_bytes``. ``movement`` is
    direction, type, amount and balance after it, both in minor units.
    """
    direction, kind, amount_minor, balance_after_minor = movement
    amount, balance = b"%d" % amount_minor, b"%d" % balance_after_minor
    return hashlib.sha256(
        b"".join(
            (
                previous,
                account,
                sequence.to_bytes(8),
                posting,
                WORDS[direction, kind],
                _LENGTHS[len(amount)],
                amount,
                _LENGTHS[len(balance)],
                balance,
            )
        )
    ).digest()


def seal(entries: Sequence[PostedEntry]) -> list[bytes]:
    """Return the hashes of a plan's entries in their order, and move their accounts' chains on.

    Call it once for a plan.
    """
    hashes = []
    transfer, posting = None, b""
    for entry in entries:
        if entry.transfer is not transfer:
            transfer = entry.transfer
            posting = posting_bytes(transfer.id, transfer.created_at)
        account = entry.account
        movement = (entry.direction, entry.type, entry.amount_minor, entry.balance_after_minor)
        account.last_hash = entry_hash(account.last_hash, account.packed_id, entry.sequence, posting, movement)
        hashes.append(account.last_hash)
    return hashes
