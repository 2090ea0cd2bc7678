"""Visibility: what a caller may see, by the rules of ``docs/authorization.md``.

Views read through these functions; the admin sees everything. An object of another merchant is
treated as one that does not exist: the answer is None, or a list leaves it out.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from ledger_project.database.reading_lane import ask
from ledger_project.kernel.actors import Actor
from merchants.domain import WalletIdentity
from merchants.models import Account
from merchants.selectors import identify
from transfers.domain.ledger import AccountSnapshot
from transfers.selectors.accounts import ACCOUNTS
from transfers.selectors.holds import HoldPage, get_hold, list_holds
from transfers.selectors.merchant_lists import MerchantPage, list_merchants
from transfers.selectors.statements import find_wallet_account
from transfers.selectors.transfer_lists import TransferFilters, TransferPage, list_transfers
from transfers.selectors.transfers import TransferDetail, get_transfer


async def visible_account(account_id: UUID, *, actor: Actor) -> AccountSnapshot | None:
    """Return a wallet of the caller."""
    found = await ask(ACCOUNTS, account_id)
    return found.account if found is not None and actor.acts_for(found.merchant_id) else None


def visible_wallet(account_id: UUID, *, actor: Actor) -> Account | None:
    """Return the row of a wallet of the caller, with its merchant."""
    account = find_wallet_account(account_id)
    return account if account is not None and actor.acts_for(account.merchant_id) else None


async def find_visible_wallet(account_id: UUID, *, actor: Actor) -> WalletIdentity | None:
    """Return a wallet of the caller. No round trip for one that this process has seen."""
    wallet = (await identify(wallet_ids=[account_id])).wallets.get(account_id)
    return wallet if wallet is not None and actor.acts_for(wallet.merchant.id) else None


async def visible_merchants(*, search: str | None, status: str | None, before: UUID | None, limit: int, actor: Actor) -> MerchantPage:
    """Return merchants newest first. A merchant sees itself, the platform sees all."""
    return await list_merchants(search=search, status=status, before=before, limit=limit, only=actor.merchant_id)


async def visible_transfer(transfer_id: UUID, *, actor: Actor) -> TransferDetail | None:
    """Return a transfer that the caller sent or received, with the entries that it may see."""
    return await get_transfer(transfer_id, party=actor.merchant_id)


async def visible_transfers(filters: TransferFilters, *, before: UUID | None, limit: int, actor: Actor) -> TransferPage | None:
    """Return the transfers that pass the filters and concern the caller, newest first.

    None if the filters and the caller let none pass.
    """
    narrowed = filters if actor.merchant_id is None else _to_party(filters, actor.merchant_id)
    return None if narrowed is None else await list_transfers(narrowed, before=before, limit=limit)


def _to_party(filters: TransferFilters, party: UUID) -> TransferFilters | None:
    """Return filters that also ask for this merchant as a party; None if no transfer can pass."""
    if party in {filters.from_merchant, filters.to_merchant}:
        return filters
    if filters.from_merchant is not None and filters.to_merchant is not None:
        return None
    if filters.from_merchant is not None:
        return replace(filters, to_merchant=party)
    if filters.to_merchant is not None:
        return replace(filters, from_merchant=party)
    return replace(filters, parties=(party, *(other for other in filters.parties if other != party)))


async def visible_hold(hold_id: UUID, *, actor: Actor) -> HoldPage | None:
    """Return a hold that the caller pays or may receive."""
    found = await get_hold(hold_id)
    if found is None:
        return None
    payer, receiver = found.rows[0][2:4]
    return found if actor.acts_for(UUID(payer)) or actor.acts_for(UUID(receiver)) else None


async def visible_holds(*, merchant_id: UUID | None, status: str | None, before: UUID | None, limit: int, actor: Actor) -> HoldPage:
    """Return the wanted holds that the caller pays or may receive, newest first."""
    mine = actor.merchant_id
    if mine is None or merchant_id in {None, mine}:
        return await list_holds(merchant_id=merchant_id or mine, status=status, before=before, limit=limit)
    return await list_holds(merchant_id=merchant_id, other_id=mine, status=status, before=before, limit=limit)
