"""The words of the journal: kinds of transfers, types of entries, directions, places in a batch."""

from enum import IntEnum, StrEnum


class TransferKind(StrEnum):
    """What a transfer is."""

    TRANSFER = "transfer"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    OPENING = "opening"
    HOLD = "hold"
    HOLD_RELEASE = "hold_release"
    CAPTURE = "capture"
    REVERSAL = "reversal"
    FEE_SETTLEMENT = "fee_settlement"


class EntryType(StrEnum):
    """What one line of a transfer is: mostly the transfer's kind, and the fee's own lines."""

    TRANSFER = "transfer"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    OPENING = "opening"
    HOLD = "hold"
    HOLD_RELEASE = "hold_release"
    CAPTURE = "capture"
    REVERSAL = "reversal"
    FEE = "fee"
    FEE_REFUND = "fee_refund"
    FEE_SETTLEMENT = "fee_settlement"


class Direction(StrEnum):
    """A credit adds to an account's balance, a debit takes from it."""

    DEBIT = "DEBIT"
    CREDIT = "CREDIT"


class BatchPlace(IntEnum):
    """Which of the transfers of one statement has the others checked at the commit (``sql/guards.sql``)."""

    ALONE = 0
    """It is the only one."""
    FIRST = 1
    """It has all further ones checked with it."""
    FURTHER = 2
    """It is checked with the first one."""


REVERSIBLE_KINDS = frozenset({TransferKind.TRANSFER, TransferKind.CAPTURE})
"""Kinds that can be reversed; all others are ``not_reversible``."""
