"""Fee schedules, read for charging. Versions never change, so each is parsed once a process."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from cachetools import LRUCache
from django.db import connection

from fees.domain import Payer, Rounding, Schedule, Tier, TierMode
from fees.models import FeeSchedule
from ledger_project.database.lost_rows import on_forgetting
from merchants.models import Currency

CANDIDATES = """
SELECT DISTINCT ON (merchant_id, currency_id, kind) id FROM fees_feeschedule
WHERE (merchant_id = ANY(%s::uuid[]) OR merchant_id IS NULL) AND (currency_id = ANY(%s::text[]) OR currency_id IS NULL)
    AND effective_from <= clock_timestamp()
ORDER BY merchant_id, currency_id, kind, effective_from DESC
"""
"""Of each scope the version in force, for arrays of merchants and currencies: what ``load_by_ids`` is to be asked for."""

_lock = threading.Lock()
_parsed: LRUCache[UUID, Schedule] = LRUCache(10_000)


def load_schedules(*, merchant_ids: Collection[UUID], currencies: Collection[str]) -> list[Schedule]:
    """Return the schedules that may apply to movements of these merchants in these currencies: of each scope the version in force.

    One round trip; a second one for versions that this process has not met yet. Runs inside the posting transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute(CANDIDATES, [list(merchant_ids), list(currencies)])
        ids = [row[0] for row in cursor.fetchall()]
    return load_by_ids(ids)


def load_by_ids(ids: Sequence[UUID]) -> list[Schedule]:
    """Return these schedules, from memory where they were read before."""
    with _lock:
        found = {schedule_id: _parsed[schedule_id] for schedule_id in ids if schedule_id in _parsed}
    missing = [schedule_id for schedule_id in ids if schedule_id not in found]
    if missing:
        read = {row.id: to_domain(row) for row in FeeSchedule.objects.filter(id__in=missing)}
        with _lock:
            _parsed.update(read)
        found |= read
    return [found[schedule_id] for schedule_id in ids]


def forget_schedules() -> None:
    """Start afresh: the database may have lost the newest rows."""
    with _lock:
        _parsed.clear()


on_forgetting(forget_schedules)


def get_schedule(schedule_id: UUID) -> Schedule:
    """Return a schedule that something stored refers to."""
    return load_by_ids([schedule_id])[0]


def to_domain(row: FeeSchedule) -> Schedule:
    """Return a stored or drafted version as the domain knows it."""
    return Schedule(
        id=row.id,
        version=row.version,
        merchant_id=row.merchant_id,
        currency=row.currency_id,
        kind=row.kind,
        rate=Decimal(row.rate),
        flat_minor=row.flat_minor,
        minimum_minor=row.minimum_minor,
        maximum_minor=row.maximum_minor,
        tier_mode=TierMode(row.tier_mode) if row.tier_mode else None,
        tiers=tuple(parse_tiers(row.tiers)),
        rounding=Rounding(row.rounding),
        payer=Payer(row.payer),
        effective_from=row.effective_from,
    )


def parse_tiers(raw: Iterable[dict[str, object]]) -> list[Tier]:
    """Return tiers from their stored form."""
    return [
        Tier(
            up_to_minor=None if tier["up_to_minor"] is None else int(str(tier["up_to_minor"])),
            rate=Decimal(str(tier.get("rate", "0"))),
            flat_minor=int(str(tier.get("flat_minor", 0))),
        )
        for tier in raw
    ]


def time_line(row: FeeSchedule) -> list[FeeSchedule]:
    """Return all versions of a schedule's scope, newest first."""
    return scope_versions(row.merchant_id, row.currency_id, row.kind)


def scope_versions(merchant_id: UUID | None, currency: str | None, kind: str | None) -> list[FeeSchedule]:
    """Return all versions of a scope, newest first; None is "everybody" and matches only itself."""
    scope: dict[str, object] = {}
    for name, value in (("merchant", merchant_id), ("currency", currency), ("kind", kind)):
        scope[f"{name}__isnull" if value is None else name] = True if value is None else value
    return list(FeeSchedule.objects.filter(**scope).select_related("merchant", "currency", "created_by").order_by("-version"))


def in_force(versions: Sequence[FeeSchedule], now: datetime) -> FeeSchedule | None:
    """Return the version of a scope that charges now."""
    return next((row for row in versions if row.effective_from <= now), None)


def exponent_of(currency: str) -> int:
    """Return a currency's number of decimals."""
    return Currency.objects.get(code=currency).exponent
