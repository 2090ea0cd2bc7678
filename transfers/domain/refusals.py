"""What a refused command was to do: the row of a refusal shows it."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from msgspec import Struct


class RefusedKind(StrEnum):
    """The kind of a command that was refused."""

    REGISTRATION = "registration"
    ACCOUNT = "account"
    TRANSFER = "transfer"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    HOLD = "hold"
    CAPTURE = "capture"
    VOID = "void"
    EXPIRY = "expiry"
    REVERSAL = "reversal"
    FEE_SETTLEMENT = "fee_settlement"


class Wanted(Struct, frozen=True):
    """What a command was to do, as far as it is known.

    ``source_id`` and ``target_id`` are the merchants that money was to go from and to. ``currency``
    is empty if the request names none that exists, or nothing from which it follows.
    """

    kind: RefusedKind
    source_id: UUID | None = None
    target_id: UUID | None = None
    currency: str = ""
    amount_minor: int | None = None
    principal: str = ""
