"""Merchants with their balances."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import cast
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from ledger_project.database.arrays import uuids
from ledger_project.database.lost_rows import identities_lost
from ledger_project.database.reading_lane import Question, ask, ask_now
from transfers.selectors.balances import BALANCES, BalanceRow


class StoredMerchant(Struct, frozen=True):
    """A merchant as it was read, with its balances."""

    id: UUID
    name: str
    display_name: str | None
    receipt_email: str | None
    status: str
    metadata: Mapping[str, object]
    created_at: datetime
    balances: list[BalanceRow]


_MerchantRow = tuple[UUID, str, str | None, str | None, str, str, datetime]
_MERCHANTS = """
SELECT id, name, display_name, receipt_email, status, metadata::text, created_at FROM merchants_merchant WHERE id = ANY(%s::uuid[])
"""

MERCHANTS: Question[UUID, StoredMerchant] = Question(
    _MERCHANTS,
    lambda keys: [uuids(keys)],
    lambda rows: {
        merchant_id: StoredMerchant(merchant_id, name, display_name, receipt_email, status, json.loads(metadata), created_at, [])
        for merchant_id, name, display_name, receipt_email, status, metadata, created_at in cast("Iterable[_MerchantRow]", rows)
    },
)
"""A merchant, without its balances."""


async def get_merchant(merchant_id: UUID) -> StoredMerchant:
    """Return a merchant that exists, with its balances.

    Raises ``IdentitiesLost`` if it is not there any more, and what ``ask`` does.
    """
    found, held = ask(MERCHANTS, merchant_id), ask(BALANCES, (merchant_id, None))
    merchant, balances = await asyncio.gather(found, held)
    if merchant is None or balances is None:
        raise identities_lost()
    return replace(merchant, balances=balances.rows)


def get_merchant_now(merchant_id: UUID) -> StoredMerchant:
    """The same from synchronous code. Two round trips."""
    merchants, balances = ask_now(MERCHANTS, [merchant_id]), ask_now(BALANCES, [(merchant_id, None)])
    if merchant_id not in merchants:
        raise identities_lost()
    return replace(merchants[merchant_id], balances=balances[merchant_id, None].rows)
