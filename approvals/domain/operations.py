"""The commands that may wait for a second person, and how they are kept.

A command of the ledger carries facts that never change. So it can wait, and what it meets is read
when it is carried out. It is kept whole, as JSON with the name of its type.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from ledger_project.kernel.exact_json import dumps
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import MerchantIdentity
from transfers.domain.commands import CaptureHold, Deposit, RegisterMerchant, ReverseTransfer, TransferFunds, Withdraw

Movement = TransferFunds | Deposit | Withdraw | RegisterMerchant | CaptureHold | ReverseTransfer
"""The commands of the posting engine that a policy may cover."""


class ConfirmDeposit(Struct, frozen=True):
    """Confirm a member's request to add money, by the bank's reference."""

    deposit_request_id: UUID
    bank_reference: str
    merchant: MerchantIdentity
    currency: CurrencyUnit
    amount_minor: int


class SetOverdraft(Struct, frozen=True):
    """Set how far below zero a wallet may go."""

    account_id: UUID
    merchant: MerchantIdentity
    currency: CurrencyUnit
    limit_minor: int
    reason: str


class CloseMerchant(Struct, frozen=True):
    """Close a merchant for good."""

    merchant: MerchantIdentity
    reason: str


class AppendVersion(Struct, frozen=True):
    """Append a version of a fee schedule; without ``effective_from``, in force when it is appended.

    ``rate`` is a share as text. Amounts are in minor units of ``currency``. ``id`` becomes the id
    of the version.
    """

    id: UUID
    merchant: MerchantIdentity | None
    currency: CurrencyUnit | None
    kind: str | None
    rate: str
    flat_minor: int
    minimum_minor: int | None
    maximum_minor: int | None
    tier_mode: str | None
    tiers: Sequence[Mapping[str, Any]]
    rounding: str
    payer: str
    note: str
    effective_from: datetime | None = None


Operation = Movement | ConfirmDeposit | SetOverdraft | CloseMerchant | AppendVersion

_TYPES: Mapping[str, type[Operation]] = {
    kind.__name__: kind
    for kind in (
        TransferFunds, Deposit, Withdraw, RegisterMerchant, CaptureHold, ReverseTransfer,
        ConfirmDeposit, SetOverdraft, CloseMerchant, AppendVersion,
    )
}  # fmt: skip


def reason_of(operation: Operation) -> str:
    """Return why it was asked for, in the words of who asked; empty if there are none."""
    match operation:
        case SetOverdraft(reason=reason) | CloseMerchant(reason=reason) | AppendVersion(note=reason):
            return reason
        case ConfirmDeposit():
            return ""
        case _:
            return operation.details.memo or ""


def encode(operation: Operation) -> str:
    """Return it as text, exactly: ``decode`` returns an equal one."""
    return dumps({"type": type(operation).__name__, "command": msgspec.to_builtins(operation)}).decode()


def decode(text: str) -> Operation:
    """Return what ``encode`` has kept. Raises ``LookupError`` for a type that there is not."""
    kept = json.loads(text)
    return msgspec.convert(kept["command"], _TYPES[kept["type"]])


def fingerprint_of(operation: Operation) -> bytes:
    """Return 32 bytes that two operations have in common if they ask for the same.

    Who asks, under which request, and ids that are made for each request, are left out.
    """
    kept = json.loads(encode(operation))
    command = kept["command"]
    for name in ("principal", "request_id"):
        command.get("details", {}).pop(name, None)
    if isinstance(operation, RegisterMerchant):
        command["merchant"].pop("id")
    if isinstance(operation, AppendVersion):
        command.pop("id")
    return sha256(json.dumps(kept, sort_keys=True).encode()).digest()
