"""What an account is, in plain values."""

import re
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from ledger_project.kernel.access import Actor
from ledger_project.kernel.money import Currency


class AccountKind(StrEnum):
    """What the money in an account is for.

    Every kind is kept per merchant and currency, so that no row is shared by everybody and no account is hot by design.
    """

    WALLET = "wallet"
    """What the merchant can spend."""
    HELD = "held"
    """What open holds have reserved."""
    FEES = "fees"
    """What the merchant has paid in fees and nobody has swept yet."""
    EXTERNAL = "external"
    """The merchant's share of the outside world: deposits come from it, withdrawals go to it. It may go negative without limit."""


class Status(StrEnum):
    """Whether money may move: of a merchant and of each account."""

    ACTIVE = "active"
    FROZEN = "frozen"
    CLOSED = "closed"


NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
"""A merchant's name: found and unique regardless of case, shown as it was registered."""

GRAM = 3
"""Longest piece of a name that the search index knows: ``sql/search.sql`` keeps all pieces of one to three characters."""


def search_grams(text: str) -> list[str]:
    """Return the pieces that a name must have to contain a text, regardless of case: the longest that are in the index."""
    lower = text.lower()
    size = min(GRAM, len(lower))
    return sorted({lower[start : start + size] for start in range(len(lower) - size + 1)})


TREASURY = "treasury"
"""Name of the merchant that holds the platform's own money."""


@dataclass(frozen=True, slots=True)
class MerchantIdentity:
    """What never changes about a merchant."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class WalletIdentity:
    """What never changes about a wallet, the account that callers address by its id."""

    id: UUID
    merchant: MerchantIdentity
    currency: Currency


def own(actor: Actor, merchant: MerchantIdentity | None) -> MerchantIdentity | None:
    """Return the merchant if it is the caller's to act for, else None: another's is answered exactly as one that does not exist."""
    return merchant if merchant is not None and actor.acts_for(merchant.id) else None
