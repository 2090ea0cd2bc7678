"""The ids of accounts, kept in memory.

Identities never change and accounts are never deleted, so an id that was read stays true.

A database may lose its newest rows (a failover, a restore); then all ids are forgotten
(database/lost_rows.py).

Only committed accounts are kept, and never the fact that an account does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast
from uuid import UUID

from ledger_project.database.arrays import plain
from ledger_project.database.lost_rows import on_forgetting
from ledger_project.kernel.bounded_cache import Remembered
from merchants.domain import AccountKind
from transfers.domain.commands import AccountKey
from transfers.domain.facts import AccountState
from transfers.posting import sql
from transfers.posting.pipeline import Session

_CAPACITY = 100_000
_ids: Remembered[AccountKey, UUID] = Remembered(_CAPACITY)


def find_accounts(session: Session, keys: Iterable[AccountKey]) -> dict[AccountKey, UUID]:
    """Return the ids of those accounts that exist; asks the database only for those that are not in
    memory.
    """
    found: dict[AccountKey, UUID] = {}
    unknown = []
    for key in keys:
        account_id = _ids.get(key)
        if account_id is None:
            unknown.append(key)
        else:
            found[key] = account_id
    if unknown:
        wanted = frozenset(unknown)
        rows = session.send(sql.FIND_ACCOUNTS, [plain({key.merchant_id for key in unknown})]).fetchall()
        for account_id, merchant_id, currency, kind in cast("list[tuple[UUID, UUID, str, str]]", rows):
            key = AccountKey(merchant_id.int, currency, AccountKind(kind))
            if key in wanted:
                found[key] = account_id
    return found


def remember_accounts(accounts: Iterable[AccountState]) -> None:
    """Keep the accounts that a committed transaction has seen or made."""
    _ids.remember({account.key: account.id for account in accounts if account.exists})


def _forget() -> None:
    _ids.clear()


on_forgetting(_forget)
