"""What a caller asks for, validated in form: plain values that services turn into commands."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from msgspec import Struct, field

from ledger_project.kernel.amount_input import AmountInput
from transfers.domain.commands import Details


class TransferRequest(Struct, frozen=True):
    """Move money between two merchants (by name, with a currency) or two wallets (by id); one addressing or the other."""

    amount: AmountInput
    details: Details
    from_merchant: str | None = None
    to_merchant: str | None = None
    currency: str | None = None
    source_account_id: UUID | None = None
    dest_account_id: UUID | None = None


class RegistrationRequest(Struct, frozen=True):
    """Register a merchant. ``initial_balance`` is a decimal string in major units of ``currency``."""

    merchant_name: str
    currency: str | None
    initial_balance: str
    metadata: Mapping[str, object] = field(default_factory=dict)
    details: Details = field(default_factory=Details)
    display_name: str | None = None
    receipt_email: str | None = None


class HoldRequest(Struct, frozen=True):
    """Reserve money of one merchant for another."""

    from_merchant: str
    to_merchant: str
    currency: str
    amount: AmountInput
    expires_in_s: int
    details: Details
