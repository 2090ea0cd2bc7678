"""Merchants and wallets, remembered because their identities never change.

A process remembers that something exists, never that it does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast
from uuid import UUID

from ledger_project.database.arrays import quoted, uuids
from ledger_project.database.lost_rows import on_forgetting
from ledger_project.database.reading_lane import Question, ask_all, ask_now
from ledger_project.kernel.bounded_cache import Remembered
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import MerchantIdentity, WalletIdentity, fold, is_name


@dataclass(slots=True)
class Identities:
    """The merchants (by folded name) and wallets (by id) that were asked for and exist."""

    merchants: dict[str, MerchantIdentity] = field(default_factory=dict)
    wallets: dict[UUID, WalletIdentity] = field(default_factory=dict)

    def merchant(self, name: str) -> MerchantIdentity | None:
        """Return the merchant of that name, regardless of case."""
        return self.merchants.get(fold(name))


_merchants: Remembered[str, MerchantIdentity] = Remembered(100_000)
_wallets: Remembered[UUID, WalletIdentity] = Remembered(100_000)


def _cached(names: Iterable[str], wallet_ids: Iterable[UUID]) -> tuple[Identities, list[str], list[UUID]]:
    found, names_left, ids_left = Identities(), [], []
    for name in names:
        folded = fold(name)
        merchant = _merchants.get(folded)
        if merchant is not None:
            found.merchants[folded] = merchant
        elif is_name(name):
            names_left.append(folded)
    for wallet_id in wallet_ids:
        wallet = _wallets.get(wallet_id)
        if wallet is None:
            ids_left.append(wallet_id)
        else:
            found.wallets[wallet_id] = wallet
    return found, names_left, ids_left


_NAMES = """
SELECT lower(name COLLATE "C"), id, name FROM merchants_merchant WHERE lower(name COLLATE "C") = ANY(%s::text[])
"""

NAMES: Question[str, MerchantIdentity] = Question(
    _NAMES,
    lambda keys: [quoted(keys)],
    lambda rows: {folded: MerchantIdentity(found, name) for folded, found, name in cast("Iterable[tuple[str, UUID, str]]", rows)},
)
"""A merchant by its folded name."""

_WALLETS = """
SELECT a.id, a.merchant_id, m.name, a.currency_id, c.exponent FROM merchants_account a
JOIN merchants_merchant m ON m.id = a.merchant_id JOIN merchants_currency c ON c.code = a.currency_id
WHERE a.id = ANY(%s::uuid[]) AND a.kind = 'wallet'
"""

WALLETS: Question[UUID, WalletIdentity] = Question(
    _WALLETS,
    lambda keys: [uuids(keys)],
    lambda rows: {
        found: WalletIdentity(found, MerchantIdentity(merchant_id, name), CurrencyUnit(code, exponent))
        for found, merchant_id, name, code, exponent in cast("Iterable[tuple[UUID, UUID, str, str, int]]", rows)
    },
)
"""A wallet by its id."""


def _add(found: Identities, merchants: Mapping[str, MerchantIdentity], wallets: Mapping[UUID, WalletIdentity]) -> Identities:
    """Return what was found with what was read; keep what was read."""
    _merchants.remember(merchants)
    _wallets.remember(wallets)
    return Identities({**found.merchants, **merchants}, {**found.wallets, **wallets})


async def identify(*, names: Iterable[str] = (), wallet_ids: Iterable[UUID] = ()) -> Identities:
    """Return the merchants and wallets that exist.

    The database is asked only for those that this process has not seen yet.
    """
    found, names_left, ids_left = _cached(names, wallet_ids)
    if not names_left and not ids_left:
        return found
    named, owned = ask_all(NAMES, names_left), ask_all(WALLETS, ids_left)
    return _add(found, *await asyncio.gather(named, owned))


def identify_now(*, names: Iterable[str] = (), wallet_ids: Iterable[UUID] = ()) -> Identities:
    """The same from synchronous code."""
    found, names_left, ids_left = _cached(names, wallet_ids)
    named = ask_now(NAMES, names_left) if names_left else {}
    owned = ask_now(WALLETS, ids_left) if ids_left else {}
    return _add(found, named, owned)


on_forgetting(_merchants.clear)
on_forgetting(_wallets.clear)
