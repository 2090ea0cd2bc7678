"""Wallets as a page shows them: texts, exact to the smallest unit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from django.http import Http404
from django.urls import reverse
from django.utils import timezone

from console.amounts import shown, shown_number
from ledger_project.kernel.exact_json import dumps
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import MerchantIdentity, Status, WalletIdentity
from transfers.domain.ledger import AccountSnapshot
from transfers.selectors.accounts import list_wallets_now
from transfers.selectors.holds import Reserve, open_reserves_now


@dataclass(frozen=True, slots=True)
class Wallet:
    """A wallet on a page. Amounts are without their currency.

    ``reserved`` is a sentence, "" if nothing is held; ``state`` is one too, "" while money moves.
    """

    identity: WalletIdentity
    available_minor: int
    available: str
    balance: str
    held: str
    reserved: str
    state: str
    address: str

    @property
    def merchant(self) -> MerchantIdentity:
        """Whose it is."""
        return self.identity.merchant

    @property
    def currency(self) -> CurrencyUnit:
        """Its unit of account."""
        return self.identity.currency

    @property
    def code(self) -> str:
        """The code of its currency."""
        return self.identity.currency.code


def wallets_of(merchant: MerchantIdentity, *, currency: str | None = None) -> list[Wallet]:
    """Return a merchant's wallets, or the one of a currency. Three round trips."""
    found = list_wallets_now(merchant.id, currency=currency)
    reserves = open_reserves_now(merchant.id) if any(account.held_minor for account in found) else {}
    return [_wallet(merchant, account, reserves) for account in found]


def wallet_of(merchant: MerchantIdentity, currency: str) -> Wallet:
    """Return a merchant's wallet in a currency. Raises ``Http404`` if it has none."""
    for wallet in wallets_of(merchant, currency=currency):
        return wallet
    raise Http404


def _wallet(merchant: MerchantIdentity, account: AccountSnapshot, reserves: Mapping[str, Reserve]) -> Wallet:
    unit = account.currency
    return Wallet(
        identity=WalletIdentity(account.id, merchant, unit),
        available_minor=account.available_minor,
        available=shown_number(account.available_minor, unit),
        balance=shown_number(account.available_minor + account.held_minor, unit),
        held=shown_number(account.held_minor, unit),
        reserved=_reserved(account, reserves.get(unit.code)),
        state="" if account.status is Status.ACTIVE else f"This wallet is {account.status.value}: no money moves in or out.",
        address=reverse("portal:wallet", args=[merchant.name, unit.code]),
    )


def _reserved(account: AccountSnapshot, reserve: Reserve | None) -> str:
    if account.held_minor == 0:
        return ""
    words = f"{shown(account.held_minor, account.currency)} are reserved"
    if reserve is None:
        return f"{words} and come back within seconds."
    if reserve.number == 1:
        return f"{words} until {day(reserve.first_expiry)}."
    return f"{words} by {reserve.number} holds, the first until {day(reserve.first_expiry)}, the last until {day(reserve.last_expiry)}."


def day(moment: datetime) -> str:
    """Return a day as people write it: ``2 Dec``, the time instead for today, the year if it is
    another one.
    """
    now, moment = timezone.now(), moment.astimezone(UTC)
    if moment.date() == now.date():
        return f"{moment:%H:%M} UTC today"
    return f"{moment.day} {moment:%b}" + (f" {moment.year}" if moment.year != now.year else "")


def etag_of(wallets: list[Wallet]) -> str:
    """Return the entity tag of what a page shows of wallets."""
    shown_texts = [[w.code, w.available, w.balance, w.held, w.reserved, w.state] for w in wallets]
    return f'"{hashlib.sha256(dumps(shown_texts)).hexdigest()[:32]}"'
