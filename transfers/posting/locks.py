"""Locks of merchants and accounts, taken in one order by everybody: merchants before accounts, each
in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from uuid import UUID

from ledger_project.database.arrays import uuids
from transfers.domain.commands import AccountKey
from transfers.posting import sql
from transfers.posting.pipeline import Reply, Session

_number = attrgetter("int")  # UUIDs are compared in Python, integers in C


@dataclass(frozen=True, slots=True)
class Locking:
    """Which accounts' locks a posting waits for (None: all).

    It takes the others only where they are free.
    """

    waits_for: frozenset[AccountKey] | None


WAIT = Locking(None)
"""The first try of a posting."""

ONLY_FREE = Locking(frozenset())
"""The tries after a posting has waited in vain."""


class Busy(Exception):
    """Another transaction holds the locks of these accounts.

    This one is to be rolled back, and tried again without their jobs.
    """

    def __init__(self, accounts: frozenset[AccountKey]) -> None:
        super().__init__(f"{len(accounts)} accounts are locked by others")
        self.accounts = accounts


def lock(session: Session, ids: Mapping[AccountKey, UUID], merchants: Collection[UUID], locking: Locking) -> list[Reply]:
    """Send the locks of merchants, then of accounts, in the round trip that is open.

    ``merchants`` are those that get a new account and have none locked here: one lock a merchant is
    enough. The locks that are waited for come first, so that nothing else is held meanwhile. A lock
    that is not waited for cannot be part of a circle.
    """
    steps: list[tuple[str, Collection[UUID]]]
    if locking.waits_for is None:
        steps = [(sql.LOCK_MERCHANTS, merchants), (sql.LOCK_ACCOUNTS, ids.values())]
    else:
        waited_merchants = {key.merchant_id for key in locking.waits_for}.intersection(merchants)
        waited = {account_id for key, account_id in ids.items() if key in locking.waits_for}
        steps = [
            (sql.LOCK_MERCHANTS, waited_merchants),
            (sql.LOCK_ACCOUNTS, waited),
            (sql.LOCK_FREE_MERCHANTS, set(merchants) - waited_merchants),
            (sql.LOCK_FREE_ACCOUNTS, set(ids.values()) - waited),
        ]
    return [session.send(statement, [uuids(sorted(wanted, key=_number))]) for statement, wanted in steps if wanted]


def check_free(locked: Iterable[Reply], ids: Mapping[AccountKey, UUID], merchants: Collection[UUID], missing: Iterable[AccountKey]) -> None:
    """Raise ``Busy`` unless all wanted locks were taken."""
    have = {row[0] for reply in locked for row in reply.fetchall()}
    busy = [key for key, account_id in ids.items() if account_id not in have]
    busy += [key for key in missing if key.merchant_id in merchants and key.merchant_id not in have]
    if busy:
        raise Busy(frozenset(busy))
