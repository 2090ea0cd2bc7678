"""Balances in words: before and after a movement, as it would be and as it was."""

from __future__ import annotations

from uuid import UUID

from console.amounts import shown, shown_number
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import AccountKind, MerchantIdentity
from merchants.selectors import known_currency, parties_now
from transfers.domain.commands import RegisterMerchant
from transfers.selectors import get_balances_now, get_transfer_now
from transfers.selectors.entries import StoredEntry
from transfers.selectors.forecasts import BalanceForecast, Forecastable, forecast

_SHOWN_KINDS = (AccountKind.WALLET, AccountKind.HELD)
"""The kinds of accounts whose balances are said; the others are the platform's bookkeeping."""


def balance_now(merchant: MerchantIdentity, unit: CurrencyUnit) -> str:
    """Return what a merchant can spend: "shop: 112.50 USD now"."""
    _, (row,) = get_balances_now(merchant.id, currency=unit, at=None)
    return f"{merchant.name}: {shown(row.available_minor, unit)} now."


def expected_balances(command: Forecastable) -> str:
    """Return what a command would do to wallets and held money: "shop: 112.50 USD now, 97.50
    after".

    For a command that would be refused now, return why. Up to six round trips.
    """
    made = forecast(command)
    if made.outcome.refusal is not None:
        return f"This will be refused ({made.outcome.refusal.code}): {made.outcome.refusal}"
    owner = command.merchant.name if isinstance(command, RegisterMerchant) else ""  # it has no row yet
    moved = [one for one in made.balances if one.key.kind in _SHOWN_KINDS and one.now_minor != one.after_minor]
    moved.sort(key=lambda one: (one.now_minor < one.after_minor, one.key.kind != AccountKind.WALLET, one.merchant_name))
    return " ".join(f"{account_words(one, owner)}: {balance_words(one)}." for one in moved)


def account_words(one: BalanceForecast, owner: str = "") -> str:
    """Return whose account it is; ``owner`` is the name of a merchant that is not there yet."""
    return f"{one.merchant_name or owner}{' (held)' if one.key.kind is AccountKind.HELD else ''}"


def balance_words(one: BalanceForecast) -> str:
    """Return a balance now and afterwards: "112.50 USD now, 97.50 after"."""
    unit = known_currency(one.key.currency)
    overdraft = f", may go {shown_number(one.overdraft_minor, unit)} below zero" if one.overdraft_minor else ""
    after = f", {shown_number(one.after_minor, unit)} after" if one.after_minor != one.now_minor else ""
    return f"{shown(one.now_minor, unit)} now{after}{overdraft}"


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
