"""Who is who: names, ids and currencies, cached because they never change once they exist.

Only what exists is remembered, never that something does not. A currency's ``is_active`` may change: currencies are read again after
a few seconds.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from django.db.models.functions import Lower

from ledger_project.kernel import money
from ledger_project.kernel.remembered import Remembered
from ledger_project.readers import in_reader
from merchants.domain import AccountKind, MerchantIdentity, WalletIdentity
from merchants.models import Account, Currency, Merchant

_CURRENCIES_FRESH_S = 5.0


@dataclass(slots=True)
class Identities:
    """The merchants (by lower-cased name) and wallets (by id) that were asked for and exist."""

    merchants: dict[str, MerchantIdentity] = field(default_factory=dict)
    wallets: dict[UUID, WalletIdentity] = field(default_factory=dict)

    def merchant(self, name: str) -> MerchantIdentity | None:
        """Return the merchant of that name, regardless of case."""
        return self.merchants.get(name.lower())


_merchants: Remembered[str, MerchantIdentity] = Remembered(100_000)
_wallets: Remembered[UUID, WalletIdentity] = Remembered(100_000)


def _cached(names: Iterable[str], wallet_ids: Iterable[UUID]) -> tuple[Identities, list[str], list[UUID]]:
    found, names_left, ids_left = Identities(), [], []
    for name in names:
        lower = name.lower()
        merchant = _merchants.get(lower)
        if merchant is None:
            names_left.append(lower)
        else:
            found.merchants[lower] = merchant
    for wallet_id in wallet_ids:
        wallet = _wallets.get(wallet_id)
        if wallet is None:
            ids_left.append(wallet_id)
        else:
            found.wallets[wallet_id] = wallet
    return found, names_left, ids_left


def _load(names: Collection[str], wallet_ids: Collection[UUID]) -> Identities:
    loaded = Identities()
    if names:
        rows = Merchant.objects.annotate(lower_name=Lower("name")).filter(lower_name__in=names).values_list("id", "name")
        loaded.merchants = {name.lower(): MerchantIdentity(merchant_id, name) for merchant_id, name in rows}
    if wallet_ids:
        accounts = Account.objects.filter(id__in=wallet_ids, kind=AccountKind.WALLET).values_list(
            "id", "merchant_id", "merchant__name", "currency_id"
        )
        loaded.wallets = {a: WalletIdentity(a, MerchantIdentity(m, name), currency) for a, m, name, currency in accounts}
    _merchants.remember(loaded.merchants)
    _wallets.remember(loaded.wallets)
    return loaded


async def identify(*, names: Iterable[str] = (), wallet_ids: Iterable[UUID] = ()) -> Identities:
    """Return those that exist; asks the database, on a reader thread, only about what this process has not seen yet."""
    found, names_left, ids_left = _cached(names, wallet_ids)
    if names_left or ids_left:
        loaded = await in_reader(_load, names_left, ids_left)
        found.merchants |= loaded.merchants
        found.wallets |= loaded.wallets
    return found


def identify_now(*, names: Iterable[str] = (), wallet_ids: Iterable[UUID] = ()) -> Identities:
    """The same from synchronous code."""
    found, names_left, ids_left = _cached(names, wallet_ids)
    if names_left or ids_left:
        loaded = _load(names_left, ids_left)
        found.merchants |= loaded.merchants
        found.wallets |= loaded.wallets
    return found


class _Currencies:
    """The table of currencies as it was read last."""

    def __init__(self) -> None:
        self.by_code: dict[str, money.Currency] = {}
        self.active: frozenset[str] = frozenset()
        self.read_at = float("-inf")

    def is_fresh(self) -> bool:
        return time.monotonic() - self.read_at < _CURRENCIES_FRESH_S

    def load(self) -> None:
        rows = list(Currency.objects.values_list("code", "exponent", "is_active"))
        self.by_code = {code: money.Currency(code, exponent) for code, exponent, _ in rows}
        self.active = frozenset(code for code, _, is_active in rows if is_active)
        self.read_at = time.monotonic()

    def usable(self, code: str) -> money.Currency | None:
        return self.by_code.get(code) if code in self.active else None


_currencies = _Currencies()


async def find_currency(code: str) -> money.Currency | None:
    """Return a currency that may be used for new movements."""
    await currencies_ready()
    return _currencies.usable(code)


def find_currency_now(code: str) -> money.Currency | None:
    """The same from synchronous code."""
    if not _currencies.is_fresh():
        _currencies.load()
    return _currencies.usable(code)


async def currencies_ready() -> None:
    """Have the currencies read, so that ``known_currency`` answers from memory on the event loop."""
    if not _currencies.is_fresh():
        await in_reader(_currencies.load)


def known_currency(code: str) -> money.Currency:
    """Return a currency that something stored refers to, active or not. Synchronous."""
    if code not in _currencies.by_code:
        _currencies.load()
    return _currencies.by_code[code]


def forget_identities() -> None:
    """Start afresh; for tests that replace the database under the process."""
    _merchants.clear()
    _wallets.clear()
    _currencies.read_at = float("-inf")
