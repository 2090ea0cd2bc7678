"""Merchants and their accounts, in plain values."""

import re
from dataclasses import dataclass
from enum import StrEnum
from string import ascii_lowercase, ascii_uppercase
from uuid import UUID

from ledger_project.kernel.actors import Actor
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


def effective_status(account: str, merchant: str) -> Status:
    """Return what counts for an account: closed or frozen if it or its merchant is."""
    if account == merchant == Status.ACTIVE:
        return Status.ACTIVE
    return Status.CLOSED if Status.CLOSED in {account, merchant} else Status.FROZEN


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
"""A merchant's name: found and unique regardless of case, shown as it was registered."""

_LOWER_CASE = str.maketrans(ascii_uppercase, ascii_lowercase)


def fold(text: str) -> str:
    """Return a text with A to Z in lower case and every other character as it is: the one rule by which names are compared.

    ``str.lower`` makes k of the Kelvin sign, and a database with a Turkish locale makes a dotless ı of I. In SQL the same rule is
    ``lower(name COLLATE "C")``, in models it is ``NameField``.
    """
    return text.lower() if text.isascii() else text.translate(_LOWER_CASE)


def is_name(text: str) -> bool:
    """Whether a text can be a merchant's name; what cannot is nobody's, and the database is not asked for it."""
    return _NAME.fullmatch(text) is not None


GRAM = 3
"""Longest piece of a name that the search index knows: ``sql/search.sql`` keeps all pieces of one to three characters."""


def search_grams(text: str) -> list[str]:
    """Return the pieces that a name must have to contain a text, regardless of case: the longest that are in the index."""
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
    currency: Currency


def own(actor: Actor, merchant: MerchantIdentity | None) -> MerchantIdentity | None:
    """Return the merchant if it is the caller's to act for, else None: another's is answered exactly as one that does not exist."""
    return merchant if merchant is not None and actor.acts_for(merchant.id) else None


def own_wallet(actor: Actor, wallet: WalletIdentity | None) -> WalletIdentity | None:
    """Return the wallet if its merchant is the caller's to act for, else None."""
    return wallet if wallet is not None and actor.acts_for(wallet.merchant.id) else None


def is_party(actor: Actor, *merchants: MerchantIdentity | None) -> bool:
    """Whether the caller may act for one of these merchants; what concerns none of them does not exist for the caller."""
    return any(own(actor, merchant) is not None for merchant in merchants)
