"""Events that are not transfers: what a plan brings about beside money, and the facts of an event.

Facts are plain values of the moment, amounts in minor units. The serializers of events show them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from ledger_project.kernel.happenings import EventType
from ledger_project.kernel.money import CurrencyUnit

Facts = dict[str, object]


class PostedEvent(Struct, frozen=True):
    """An event as it will be stored with the transfers of its batch."""

    id: UUID
    type: EventType
    merchant_id: UUID
    account_id: UUID | None
    facts: Facts
    created_at: datetime


def merchant_facts(
    *,
    merchant_id: UUID,
    name: str,
    display_name: str | None,
    status: str,
    metadata: Mapping[str, object],
    created_at: datetime,
    balances: Iterable[tuple[UUID | None, CurrencyUnit, int, int]] = (),
) -> Facts:
    """Return a merchant as its events tell it: without its address.

    ``balances`` are the account's id, the currency, and what is available and held.
    """
    return {
        "id": str(merchant_id),
        "merchant_name": name,
        "display_name": display_name,
        "status": status,
        "metadata": dict(metadata),
        "created_at": created_at.isoformat(),
        "balances": [
            {"account_id": str(account_id), "currency": currency.code, "available_minor": available_minor, "held_minor": held_minor}
            for account_id, currency, available_minor, held_minor in balances
        ],
    }


def account_facts(
    *,
    account_id: UUID,
    merchant_name: str,
    currency: str,
    status: str,
    created_at: datetime,
    amounts_minor: tuple[int, int, int] = (0, 0, 0),
) -> Facts:
    """Return a wallet as its events tell it.

    ``amounts_minor`` are what is available, what is held, and the overdraft limit.
    """
    available_minor, held_minor, overdraft_minor = amounts_minor
    return {
        "id": str(account_id),
        "merchant_name": merchant_name,
        "currency": currency,
        "status": status,
        "available_minor": available_minor,
        "held_minor": held_minor,
        "overdraft_minor": overdraft_minor,
        "created_at": created_at.isoformat(),
    }
