"""Fee schedules, read for charging.

Versions never change, so each process parses each version once.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from cachetools import LRUCache
from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from fees.domain import Payer, Rounding, Schedule, Tier, TierMode, choose_schedule
from fees.models import FeeSchedule
from ledger_project.database.lost_rows import on_forgetting

CANDIDATES = """
SELECT DISTINCT ON (merchant_id, currency_id, kind) id FROM fees_feeschedule
WHERE (merchant_id = ANY(%s::uuid[]) OR merchant_id IS NULL) AND (currency_id = ANY(%s::text[]) OR currency_id IS NULL)
    AND effective_from <= clock_timestamp()
ORDER BY merchant_id, currency_id, kind, effective_from DESC
"""
"""The ids of the versions in force, one a scope, for arrays of merchants and currencies.

``load_by_ids`` reads them.
"""

SCHEDULE_COLUMNS = (
    "id", "version", "merchant_id", "currency_id", "kind", "rate", "flat_minor", "minimum_minor", "maximum_minor", "tier_mode", "tiers",
    "rounding", "payer", "effective_from",
)  # fmt: skip
"""The columns of a stored version from which ``schedule_of`` makes a ``Schedule``."""

_lock = threading.Lock()
_parsed: LRUCache[UUID, Schedule] = LRUCache(10_000)


def load_schedules(*, merchant_ids: Collection[UUID], currencies: Collection[str]) -> list[Schedule]:
    """Return the schedules that may apply to movements of these merchants in these currencies.

    They are the versions in force, one a scope.

    One round trip; a second one for versions that this process has not met yet. Runs inside the
    posting transaction.
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
        read = {row["id"]: schedule_of(row) for row in FeeSchedule.objects.filter(id__in=missing).values(*SCHEDULE_COLUMNS)}
        with _lock:
            _parsed.update(read)
        found |= read
    return [found[schedule_id] for schedule_id in ids]


def _forget() -> None:
    with _lock:
        _parsed.clear()


on_forgetting(_forget)


def get_schedule(schedule_id: UUID) -> Schedule:
    """Return a schedule that something stored refers to."""
    return load_by_ids([schedule_id])[0]


def drafted_schedule(draft: FeeSchedule) -> Schedule:
    """Return a version, drafted or stored, as the domain knows it. Raises as ``schedule_of``."""
    values = {name: getattr(draft, name) for name in SCHEDULE_COLUMNS}
    return schedule_of(values | {"version": draft.version or 0})


def stored_schedule(row: FeeSchedule) -> Schedule | None:
    """Return a stored version as the domain knows it; None for amounts or tiers that are no
    numbers, which only the owner of the tables can write.
    """
    try:
        return drafted_schedule(row)
    except (ValueError, ArithmeticError):
        return None


def schedule_of(row: Mapping[str, Any]) -> Schedule:
    """Return a version as the domain knows it, from a row's values by column.

    JSON may still be text. Raises ``ValueError`` or ``ArithmeticError`` for amounts or tiers that
    are no numbers.
    """
    tiers = row["tiers"]
    return Schedule(
        id=row["id"],
        version=row["version"],
        merchant_id=row["merchant_id"],
        currency=row["currency_id"],
        kind=row["kind"],
        rate=Decimal(row["rate"]),
        flat_minor=int(row["flat_minor"]),
        minimum_minor=None if row["minimum_minor"] is None else int(row["minimum_minor"]),
        maximum_minor=None if row["maximum_minor"] is None else int(row["maximum_minor"]),
        tier_mode=TierMode(row["tier_mode"]) if row["tier_mode"] else None,
        tiers=tuple(_tiers(json.loads(tiers) if isinstance(tiers, str) else tiers)),
        rounding=Rounding(row["rounding"]),
        payer=Payer(row["payer"]),
        effective_from=row["effective_from"],
    )


def _tiers(raw: Iterable[dict[str, object]]) -> Iterable[Tier]:
    """Return tiers from their stored form."""
    return (
        Tier(
            up_to_minor=None if tier["up_to_minor"] is None else int(str(tier["up_to_minor"])),
            rate=Decimal(str(tier.get("rate", "0"))),
            flat_minor=int(str(tier.get("flat_minor", 0))),
        )
        for tier in raw
    )


def time_line(row: FeeSchedule) -> list[FeeSchedule]:
    """Return all versions of a schedule's scope, newest first."""
    return scope_versions(row.merchant_id, row.currency_id, row.kind)


def scope_versions(merchant_id: UUID | None, currency: str | None, kind: str | None) -> list[FeeSchedule]:
    """Return all versions of a scope, newest first. None is "all" and matches only itself."""
    rows = _of_scope(merchant_id, currency, kind)
    return list(rows.select_related("merchant", "currency", "created_by").order_by("-version"))


def _of_scope(merchant_id: UUID | None, currency: str | None, kind: str | None) -> QuerySet[FeeSchedule]:
    scope: dict[str, object] = {}
    for name, value in (("merchant", merchant_id), ("currency", currency), ("kind", kind)):
        scope[f"{name}__isnull" if value is None else name] = True if value is None else value
    return FeeSchedule.objects.filter(**scope)


def in_force_at(at: datetime, *, merchant_id: UUID | None, currency: str) -> list[Schedule]:
    """Return the versions that were in force at a moment, one a scope: those that may apply to
    movements in a currency by a merchant, or by one that has no schedule (None).

    A version counts from the later of the moment that it names and the moment when it was written,
    as for ``reconcile``. The first version of a scope counts for older, imported movements too.
    """
    rows = FeeSchedule.objects.filter(
        Q(merchant_id=merchant_id) | Q(merchant=None), Q(currency_id=currency) | Q(currency=None), effective_from__lte=at
    )
    found: dict[tuple[UUID | None, str | None, str | None], UUID] = {}
    for row in rows.order_by("version").only("id", "merchant_id", "currency_id", "kind", "created_at"):
        scope = (row.merchant_id, row.currency_id, row.kind)
        if scope not in found or row.created_at <= at:
            found[scope] = row.id
    return load_by_ids(list(found.values()))


def charging_instead(draft: FeeSchedule, at: datetime) -> FeeSchedule | None:
    """Return the version that charges at a moment what a draft is for: of its scope, or of a wider
    one if its scope has none in force.
    """
    rows = in_force_at(at, merchant_id=draft.merchant_id, currency=draft.currency_id or "")
    rivals = [row for row in rows if row.kind in {None, draft.kind}]
    nobody = UUID(int=0)
    chosen = choose_schedule(
        rivals, merchant_id=draft.merchant_id or nobody, currency=draft.currency_id or "", kind=draft.kind or "", at=at
    )
    return None if chosen is None else FeeSchedule.objects.select_related("merchant", "currency").get(id=chosen.id)


def in_force(versions: Sequence[FeeSchedule], now: datetime) -> FeeSchedule | None:
    """Return the version of a scope that charges now."""
    return next((row for row in versions if row.effective_from <= now), None)


def state_of(row: FeeSchedule, versions: Sequence[FeeSchedule], now: datetime) -> str:
    """Return whether a version charges now, later or no more.

    ``versions`` are all of its scope, newest first.
    """
    if row.effective_from > now:
        return "future"
    return "in force" if in_force(versions, now) == row else "superseded"


def state_now(row: FeeSchedule) -> str:
    """Return the same by the database's clock, in one look-up."""
    started = _of_scope(row.merchant_id, row.currency_id, row.kind).filter(effective_from__lte=Now())
    charging = started.order_by("-effective_from").values_list("version", flat=True).first() or 0
    if row.version > charging:
        return "future"
    return "in force" if row.version == charging else "superseded"


def in_state(rows: QuerySet[FeeSchedule], state: str) -> QuerySet[FeeSchedule]:
    """Return the versions among ``rows`` that are in this state by the database's clock."""
    if state == "future":
        return rows.filter(effective_from__gt=Now())
    started = FeeSchedule.objects.filter(effective_from__lte=Now())
    scope = ("merchant_id", "currency_id", "kind")
    charging = started.order_by(*scope, "-effective_from").distinct(*scope).values("id")
    return rows.filter(id__in=charging) if state == "in force" else rows.filter(effective_from__lte=Now()).exclude(id__in=charging)
