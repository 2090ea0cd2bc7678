"""What became of one command."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ledger_project.kernel.errors import LedgerError
from merchants.domain import MerchantIdentity
from transfers.domain.book import AccountSnapshot, HoldState, PostedTransfer


@dataclass(frozen=True, slots=True)
class RegisteredMerchant:
    """A merchant that was just registered."""

    identity: MerchantIdentity
    metadata: Mapping[str, object]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one command: a refusal, or what it posted and what its answer shows."""

    refusal: LedgerError | None = None
    transfer: PostedTransfer | None = None
    account: AccountSnapshot | None = None
    hold: HoldState | None = None
    merchant: RegisteredMerchant | None = None
