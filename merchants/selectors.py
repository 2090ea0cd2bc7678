"""Merchants, wallets and currencies, remembered because their identities never change.

A process remembers that something exists, never that it does not. It does not remember whether a
currency is switched off, since that may change: a posting reads it under its locks.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from django.db import connection
from msgspec import Struct

from ledger_project.database.arrays import words
from ledger_project.database.lost_rows import identities_lost, on_forgetting
from ledger_project.database.readers import in_reader
from ledger_project.kernel.bounded_cache import Remembered
from ledger_project.kernel.errors import UnknownCurrency
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import AccountKind, MerchantIdentity, WalletIdentity, fold, is_name
from merchants.models import Account, Currency, Merchant, folded_name


@dataclass(slots=True)
class Identities:
    """The merchants (by folded name) and wallets (by id) that were asked for and exist."""

    merchants: dict[str, MerchantIdentity] = field(default_factory=dict)
    wallets: dict[UUID, WalletIdentity] = field(default_factory=dict)

    def merchant(self, name: str) -> MerchantIdentity | None:
        """Return the merchant of that name, regardless of case."""
        return self.merchants.get(fold(name))


_currencies: dict[str, CurrencyUnit] = {}
_CODE = re.compile(r"[A-Z][A-Z0-9]{1,11}", re.ASCII)
"""What can be a currency's code. The database is not asked for anything else."""


def _load_currency(code: str) -> CurrencyUnit | None:
    """Return a currency from the database, and remember it.

    Another thread may empty the memory at any moment, so the answer is not read from there.
    """
    exponent = Currency.objects.filter(code=code).values_list("exponent", flat=True).first()
    if exponent is None:
        return None
    currency = _currencies[code] = CurrencyUnit(code, exponent)
    return currency


async def units_of(codes: Iterable[str]) -> Mapping[str, CurrencyUnit]:
    """Return the currencies of something that was read. Raises ``IdentitiesLost`` if one is not
    there.
    """
    units = {code: await find_currency(code) for code in set(codes)}
    if None in units.values():
        raise identities_lost()
    return {code: unit for code, unit in units.items() if unit is not None}


async def find_currency(code: str) -> CurrencyUnit | None:
    """Return the currency of that code, switched off or not; None if there never was one.

    The database is asked for a code that this process has not seen: it may have been added just
    now.
    """
    known = _currencies.get(code)
    return known if known is not None or not _CODE.fullmatch(code) else await in_reader(_load_currency, code)


def find_currency_now(code: str) -> CurrencyUnit | None:
    """The same from synchronous code."""
    known = _currencies.get(code)
    return known if known is not None or not _CODE.fullmatch(code) else _load_currency(code)


def required_currency(code: str, currency: CurrencyUnit | None) -> CurrencyUnit:
    """Return the currency. Raises ``UnknownCurrency`` if there never was one of that code."""
    if currency is None:
        raise UnknownCurrency(code)
    return currency


def known_currency(code: str) -> CurrencyUnit:
    """Return a currency that something stored refers to, switched off or not. Synchronous."""
    currency = find_currency_now(code)
    if currency is None:
        raise KeyError(code)
    return currency


def is_active_now(code: str) -> bool:
    """Whether a currency is switched on now. Synchronous.

    A posting does not ask this: it reads the state under its locks.
    """
    return Currency.objects.filter(code=code, is_active=True).exists()


def active_currencies_now() -> dict[str, CurrencyUnit]:
    """Return the currencies that are switched on at this moment, by code. Synchronous."""
    rows = Currency.objects.filter(is_active=True).values_list("code", "exponent")
    return {code: CurrencyUnit(code, exponent) for code, exponent in rows}


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


def _load(names: Collection[str], wallet_ids: Collection[UUID]) -> Identities:
    loaded = Identities()
    if names:
        rows = Merchant.objects.annotate(folded=folded_name()).filter(folded__in=names).values_list("id", "name")
        loaded.merchants = {fold(name): MerchantIdentity(merchant_id, name) for merchant_id, name in rows}
    if wallet_ids:
        accounts = Account.objects.filter(id__in=wallet_ids, kind=AccountKind.WALLET).values_list(
            "id", "merchant_id", "merchant__name", "currency_id"
        )
        loaded.wallets = {a: WalletIdentity(a, MerchantIdentity(m, name), known_currency(code)) for a, m, name, code in accounts}
    _merchants.remember(loaded.merchants)
    _wallets.remember(loaded.wallets)
    return loaded


async def identify(*, names: Iterable[str] = (), wallet_ids: Iterable[UUID] = ()) -> Identities:
    """Return the merchants and wallets that exist.

    The database is asked, on a reader thread, only for those that this process has not seen yet.
    """
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


# --- parties of what is listed --------------------------------------------------------------------


class Party(Struct, frozen=True):
    """Whose an account is, or a merchant itself. ``merchant_id`` is the id as text."""

    merchant_id: str
    name: str
    is_outside: bool


_parties: Remembered[str, Party] = Remembered(100_000)

_PARTIES = """
SELECT a.id::text, m.id::text, m.name, a.kind = 'external'
FROM merchants_account a JOIN merchants_merchant m ON m.id = a.merchant_id WHERE a.id = ANY(%s::uuid[])
UNION ALL SELECT id::text, id::text, name, false FROM merchants_merchant WHERE id = ANY(%s::uuid[])
"""


def _load_parties(ids: Collection[str]) -> dict[str, Party]:
    wanted = words(ids)
    with connection.cursor() as cursor:
        cursor.execute(_PARTIES, [wanted, wanted])
        loaded = {found: Party(*party) for found, *party in cursor.fetchall()}
    if len(loaded) < len(ids):
        raise identities_lost()
    _parties.remember(loaded)
    return loaded


async def parties(ids: Iterable[str]) -> Mapping[str, Party]:
    """Return the parties behind ids of accounts of any kind, and of merchants. The ids are text.

    The database is asked, on a reader thread, only for those that this process has not seen yet.
    Raises ``IdentitiesLost`` if one is not there: rows that were read a moment ago named it.
    """
    found, left = _known_parties(ids)
    return found | await in_reader(_load_parties, left) if left else found


def parties_now(ids: Iterable[str]) -> Mapping[str, Party]:
    """The same from synchronous code."""
    found, left = _known_parties(ids)
    return found | _load_parties(left) if left else found


def _known_parties(ids: Iterable[str]) -> tuple[dict[str, Party], list[str]]:
    found, left = {}, []
    for one in set(ids):
        party = _parties.get(one)
        if party is None:
            left.append(one)
        else:
            found[one] = party
    return found, left


def _forget() -> None:
    _merchants.clear()
    _wallets.clear()
    _parties.clear()
    _currencies.clear()


on_forgetting(_forget)
