"""What became of one command."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, TypeVar

from msgspec import Struct

from ledger_project.kernel.errors import LedgerError
from merchants.domain import MerchantIdentity
from transfers.domain.facts import HoldState
from transfers.domain.ledger import AccountSnapshot, PostedTransfer

T = TypeVar("T")


class RegisteredMerchant(Struct, frozen=True):
    """A merchant that was just registered."""

    identity: MerchantIdentity
    metadata: Mapping[str, object]
    created_at: datetime
    display_name: str | None = None
    receipt_email: str | None = None


class Posted(Struct, frozen=True):
    """What a command did, and what its answer shows.

    A member is None if commands of this kind make no such thing.
    """

    transfer: PostedTransfer | None = None
    account: AccountSnapshot | None = None
    hold: HoldState | None = None
    merchant: RegisteredMerchant | None = None
    refusal: ClassVar[None] = None


class Refused(Struct, frozen=True):
    """Why a command did nothing."""

    refusal: LedgerError
    transfer: ClassVar[None] = None
    account: ClassVar[None] = None
    hold: ClassVar[None] = None
    merchant: ClassVar[None] = None


Outcome = Posted | Refused
"""What became of one command. Both have the same members: a reader needs no ``isinstance``."""


def required(member: T | None) -> T:
    """Return a member that this outcome must have.

    Raises ``LookupError`` for None.
    """
    if member is None:
        raise LookupError("an outcome lacks what its answer shows")
    return member
