"""Merchants with their balances."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import cast
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db.models import Func, TextField
from msgspec import Struct
from msgspec.structs import replace

from ledger_project.database.arrays import uuids
from ledger_project.database.lost_rows import identities_lost
from ledger_project.database.reading_lane import Question, ask, ask_now
from merchants.domain import search_grams
from merchants.models import Merchant, folded_name
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


def _with_balances(merchants: Iterable[Merchant]) -> list[StoredMerchant]:
    found = list(merchants)
    balances = ask_now(BALANCES, [(merchant.id, None) for merchant in found]) if found else {}
    return [
        StoredMerchant(
            id=merchant.id,
            name=merchant.name,
            display_name=merchant.display_name,
            receipt_email=merchant.receipt_email,
            status=merchant.status,
            metadata=merchant.metadata,
            created_at=merchant.created_at,
            balances=balances[merchant.id, None].rows,
        )
        for merchant in found
    ]


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
    return _with_balances([Merchant.objects.get(id=merchant_id)])[0]


def list_merchants(
    *, search: str | None, status: str | None, before: UUID | None, limit: int, only: UUID | None = None
) -> list[StoredMerchant]:
    """Return merchants newest first, older than ``before``. Two round trips.

    ``search`` is a part of the name, regardless of case.
    ``only`` leaves out all merchants but one.
    """
    found = Merchant.objects.order_by("-id")
    if search:
        # The grams find candidates by their index (merchants/sql/search.sql), the text itself
        # decides.
        grams = Func(folded_name(), function="ledger_grams", output_field=ArrayField(TextField()))
        found = found.alias(grams=grams).filter(grams__contains=search_grams(search), name__icontains=search)  # type: ignore[misc]  # the stubs know no aliases
    if status:
        found = found.filter(status=status)
    if only is not None:
        found = found.filter(id=only)
    if before is not None:
        found = found.filter(id__lt=before)
    return _with_balances(found[:limit])
