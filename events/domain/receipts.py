"""Receipts: what one party of a transfer gets, with a number, and the bytes that are signed.

A party is a wallet on one side of a transfer. Its receipt has the party's place in the journal and
no balance, so it tells nothing of the other side but the transfer itself. A receipt is made from
rows that never change: it is the same whenever it is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

from transfers.domain.kinds import TransferKind

WITHOUT_RECEIPT = frozenset({TransferKind.HOLD.value, TransferKind.HOLD_RELEASE.value})
"""Kinds of transfers without receipts: they reserve money and give it back. A capture has one."""


class Side(IntEnum):
    """The side of a transfer that a party is on."""

    SOURCE = 1
    """It paid."""
    TARGET = 2
    """It received."""


@dataclass(frozen=True, slots=True)
class Party:
    """A wallet on one side of a transfer, with its last entry of the transfer.

    The entry is the wallet's. A capture in full has none there: then it is the one of the held
    account beside the wallet, from which the money went. ``entry_hash`` has 32 bytes.
    """

    side: Side
    merchant_id: UUID
    merchant_name: str
    account_id: UUID
    sequence: int
    entry_hash: bytes


def receipt_number(transfer_id: UUID, side: Side) -> str:
    """Return the number of a receipt: the transfer's id, and the party's side. It is unique."""
    return f"{transfer_id}-{side.value}"


def canonical(document: Mapping[str, object]) -> bytes:
    """Return a document as it is signed.

    That is UTF-8 JSON without blanks, members sorted by code points at every level, text unescaped
    where JSON lets it be, and integers of any size in digits.
    """
    return json.dumps(document, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode()
