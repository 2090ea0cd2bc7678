"""Refused postings: by what a caller quotes, and by the merchant on either side. Synchronous."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from ledger_project.database.clock import database_now
from transfers.domain.idempotency import first_day_kept
from transfers.models import DailyRefusals, Refusal

MOST_OF_A_SIDE = 1000
"""The most refusals of a merchant that are read of each side: all of a busy one take a second."""


def find_refusals(text: str, refusals: QuerySet[Refusal]) -> QuerySet[Refusal]:
    """Return those of some refusals that have a request id, a key, an own id, or a code."""
    if Refusal.objects.filter(code=text).exists():
        return refusals.filter(code=text)
    named = Q(request_id=text) | Q(key=text)
    try:
        return refusals.filter(named | Q(id=UUID(text)))
    except ValueError:
        return refusals.filter(named)


def refusals_of(merchant_id: UUID, refusals: QuerySet[Refusal], *, limit: int = MOST_OF_A_SIDE) -> QuerySet[Refusal]:
    """Return those of some refusals that a merchant is a party of: the newest ``limit`` of each
    side. Each side is read from an index of its own.
    """
    ordered = refusals.order_by("-created_at").values("id")
    source, target = ordered.filter(source_id=merchant_id)[:limit], ordered.filter(target_id=merchant_id)[:limit]
    return refusals.filter(id__in=source.union(target, all=True))


def refused_codes() -> list[str]:
    """Return the codes by which postings were refused, from the daily figures."""
    return list(DailyRefusals.objects.order_by("code").values_list("code", flat=True).distinct())


def first_day_of_rows() -> date:
    """Return the first day, in UTC, whose refusals have all their rows. They go with their keys;
    the counts of days stay.
    """
    return first_day_kept(database_now(), timedelta(seconds=settings.LEDGER_IDEMPOTENCY_RETENTION))
