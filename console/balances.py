"""Balances in words: before and after a movement, as it would be and as it was."""

from __future__ import annotations

from uuid import UUID

from console.amounts import shown, shown_number
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import AccountKind, MerchantIdentity
from merchants.models import Account
from merchants.selectors import parties_now
from transfers.selectors import get_balances_now, get_transfer_now
from transfers.selectors.entries import StoredEntry

_SHOWN_KINDS = (AccountKind.WALLET, AccountKind.HELD)
"""The kinds of accounts whose balances are said; the others are the platform's bookkeeping."""


def expected_balance(merchant: MerchantIdentity, unit: CurrencyUnit, change_minor: int | None) -> str:
    """Return what a merchant can spend now and after: "shop: 112.50 USD now, 97.50 after".

    A change that the merchant cannot pay is called so. None is a change that is not known yet.
    """
    _, (row,) = get_balances_now(merchant.id, currency=unit, at=None)
    words = f"{merchant.name}: {shown(row.available_minor, unit)} now"
    if change_minor is None:
        return f"{words}."
    after_minor = row.available_minor + change_minor
    overdraft_minor = _overdraft_minor(row.account_id) if after_minor < 0 else 0
    if change_minor < 0 and after_minor < -overdraft_minor:
        overdraft = f" and may overdraw by {shown_number(overdraft_minor, unit)}" if overdraft_minor else ""
        return f"{words}{overdraft}: {shown(-change_minor, unit)} is more than it can pay."
    return f"{words}, {shown_number(after_minor, unit)} after."


def _overdraft_minor(wallet_id: UUID | None) -> int:
    if wallet_id is None:
        return 0
    return int(Account.objects.values_list("overdraft_limit_minor", flat=True).get(id=wallet_id))


def posted_balances(transfer_id: UUID) -> str:
    """Return what a transfer did to wallets and held money: "shop: 112.50 USD before, 97.50 after".

    Three round trips.
    """
    found = get_transfer_now(transfer_id)
    chains: dict[UUID, list[StoredEntry]] = {}
    for entry in found[1] if found else []:
        if entry.account_kind in _SHOWN_KINDS:
            chains.setdefault(entry.account_id, []).append(entry)
    owners = parties_now(map(str, chains))
    return "; ".join(_moved(owners[str(account_id)].name, chain) for account_id, chain in chains.items())


def _moved(owner: str, chain: list[StoredEntry]) -> str:
    """Return the balance of one account before its first entry of a transfer and after its last."""
    chain = sorted(chain, key=lambda entry: entry.sequence)
    first, last = chain[0], chain[-1]
    before_minor = first.balance_after_minor - (first.amount_minor if first.direction == "CREDIT" else -first.amount_minor)
    kind = " (held)" if first.account_kind == AccountKind.HELD else ""
    return f"{owner}{kind}: {shown(before_minor, first.currency)} before, {shown_number(last.balance_after_minor, first.currency)} after"
