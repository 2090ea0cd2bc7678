"""Merchants and their accounts, in plain values."""

import re
from dataclasses import dataclass
from enum import StrEnum
from string import ascii_lowercase, ascii_uppercase
from uuid import UUID

from ledger_project.kernel.actors import Actor
from ledger_project.kernel.money import CurrencyUnit


class AccountKind(StrEnum):
    """What the money in an account is for.

    Each merchant has one account of each kind in each currency, so that no row is shared by all.
    """

    WALLET = "wallet"
    """What the merchant can spend."""
    HELD = "held"
    """What open holds have reserved."""
    FEES = "fees"
    """What the merchant has paid in fees, until a sweep moves it to the treasury."""
    EXTERNAL = "external"
    """The outside: deposits come from it, withdrawals go to it.

    It may go below zero without limit.
    """


class Status(StrEnum):
    """Whether money may move: of a merchant and of each account."""

    ACTIVE = "active"
    FROZEN = "frozen"
    CLOSED = "closed"


def effective_status(account: str, merchant: str) -> Status:
    """Return the status that counts: closed or frozen if the account or its merchant is."""
    if account == merchant == Status.ACTIVE:
        return Status.ACTIVE
    return Status.CLOSED if Status.CLOSED in {account, merchant} else Status.FROZEN


NAME_PATTERN = "[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
"""A merchant's name: found and unique regardless of case, shown as it was registered."""

_NAME = re.compile(NAME_PATTERN, re.ASCII)

_LOWER_CASE = str.maketrans(ascii_uppercase, ascii_lowercase)


def fold(text: str) -> str:
    """Return a text with A to Z in lower case and every other character as it is.

    This is the one rule by which names are compared.

    ``str.lower`` makes k of the Kelvin sign, and a database with a Turkish locale makes a dotless ı
    of I. In SQL the same rule is ``lower(name COLLATE "C")``; in models it is ``NameField``.
    """
    return text.lower() if text.isascii() else text.translate(_LOWER_CASE)


def is_name(text: str) -> bool:
    """Whether a text can be a merchant's name. The database is not asked for one that cannot."""
    return _NAME.fullmatch(text) is not None


GRAM = 3
"""Longest piece of a name in the search index, which ``sql/search.sql`` makes."""


def search_grams(text: str) -> list[str]:
    """Return the pieces that a name with this text in it has: the longest ones in the index."""
    folded = fold(text)
    size = min(GRAM, len(folded))
    return sorted({folded[start : start + size] for start in range(len(folded) - size + 1)})


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
    currency: CurrencyUnit


def own(actor: Actor, merchant: MerchantIdentity | None) -> MerchantIdentity | None:
    """Return the merchant if the caller may act for it, else None as if it did not exist."""
    return merchant if merchant is not None and actor.acts_for(merchant.id) else None


def own_wallet(actor: Actor, wallet: WalletIdentity | None) -> WalletIdentity | None:
    """Return the wallet if the caller may act for its merchant, else None."""
    return wallet if wallet is not None and actor.acts_for(wallet.merchant.id) else None


def is_party(actor: Actor, *merchants: MerchantIdentity | None) -> bool:
    """Whether the caller may act for one of these merchants."""
    return any(own(actor, merchant) is not None for merchant in merchants)
