"""What became of one command."""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from ledger_project.kernel.errors import LedgerError
from merchants.domain import MerchantIdentity
from transfers.domain.facts import HoldState
from transfers.domain.ledger import AccountSnapshot, PostedTransfer


class RegisteredMerchant(Struct, frozen=True):
    """A merchant that was just registered."""

    identity: MerchantIdentity
    metadata: Mapping[str, object]
    created_at: datetime
    display_name: str | None = None
    receipt_email: str | None = None


class Outcome(Struct, frozen=True):
    """What became of one command: a refusal, or what it posted and what its answer shows."""

    refusal: LedgerError | None = None
    transfer: PostedTransfer | None = None
    account: AccountSnapshot | None = None
    hold: HoldState | None = None
    merchant: RegisteredMerchant | None = None
