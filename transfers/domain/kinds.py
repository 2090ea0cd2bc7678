"""The words of the journal: kinds of transfers, types of entries, directions, places in a batch."""

from enum import IntEnum, StrEnum


class TransferKind(StrEnum):
    """The kind of a transfer."""

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
    """The type of an entry: the kind of its transfer, or one of a fee's own types."""

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
    """A transfer's place in its statement: at the commit, the first one has all others checked.

    The check is in ``sql/guards.sql``.
    """

    ALONE = 0
    """It is the only one."""
    FIRST = 1
    """It has all further ones checked with it."""
    FURTHER = 2
    """It is checked with the first one."""


REVERSIBLE_KINDS = frozenset({TransferKind.TRANSFER, TransferKind.CAPTURE})
"""The kinds that can be reversed. All others are ``not_reversible``."""
