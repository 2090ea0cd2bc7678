"""Deposits and withdrawals."""

from __future__ import annotations

from uuid import UUID

from ledger_project.kernel.actors import Actor
from ledger_project.kernel.amount_input import AmountInput
from ledger_project.kernel.refusals import AccountNotFound
from merchants.domain import own_wallet
from merchants.selectors import identify
from transfers.domain.commands import Command, Deposit, Details, Refuse, Withdraw
from transfers.domain.refusals import RefusedKind, Wanted
from transfers.posting.engine import submit_one
from transfers.posting.jobs import Key, Render, Result, Submit


async def deposit(
    account_id: UUID, amount: AmountInput, details: Details, *, actor: Actor, key: Key | None, render: Render, submit: Submit = submit_one
) -> Result:
    """Bring money from outside into a wallet.

    Raises ``PermissionDenied`` for a merchant: only the platform says that money has come.
    """
    actor.require_platform("A deposit")
    return await submit(await _cross_border(Deposit, account_id, amount, details, actor), key, render)


async def withdraw(
    account_id: UUID, amount: AmountInput, details: Details, *, actor: Actor, key: Key | None, render: Render, submit: Submit = submit_one
) -> Result:
    """Send money from a wallet to the outside."""
    return await submit(await _cross_border(Withdraw, account_id, amount, details, actor), key, render)


async def _cross_border(
    command: type[Deposit] | type[Withdraw], account_id: UUID, amount: AmountInput, details: Details, actor: Actor
) -> Command:
    wallet = own_wallet(actor, (await identify(wallet_ids=[account_id])).wallets.get(account_id))
    if wallet is None:
        kind = RefusedKind.DEPOSIT if command is Deposit else RefusedKind.WITHDRAWAL
        return Refuse(AccountNotFound(account_id), Wanted(kind, principal=details.principal))
    return command(wallet.merchant, wallet.currency, amount.resolve(wallet.currency), details)
