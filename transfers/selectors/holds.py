"""Holds: one, a list of them, and those whose time ran out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection

from transfers.domain.book import HoldState
from transfers.domain.commands import HoldTerms
from transfers.domain.holds import HoldStatus
from transfers.models import Hold
from transfers.selectors.facts import hold_state

_MERCHANTS = ("source_merchant", "target_merchant", "currency")


def get_hold(hold_id: UUID) -> HoldState | None:
    """Return a hold."""
    hold = Hold.objects.select_related(*_MERCHANTS).filter(id=hold_id).first()
    return None if hold is None else hold_state(hold)


def page_statement(
    *, merchant_id: UUID | None, status: str | None, before: UUID | None, limit: int, other_id: UUID | None = None
) -> tuple[str, dict[str, Any]]:
    """Return the SQL of one page of hold ids, newest first.

    ``expired`` includes open holds whose time ran out and which the sweep has not met yet; ``open`` leaves those out. A merchant's
    holds are those it pays and those it is to receive, each read from its own index; ``other_id`` is who must be on the other side.
    """
    parameters: dict[str, Any] = {"limit": limit, "now": datetime.now(UTC)}
    conditions = ["true"]
    if before is not None:
        conditions.append("h.id < %(before)s")
        parameters["before"] = before
    if status == HoldStatus.OPEN:
        conditions.append("h.status = 'open' AND h.expires_at > %(now)s")
    elif status == HoldStatus.EXPIRED:
        conditions.append("(h.status = 'expired' OR (h.status = 'open' AND h.expires_at <= %(now)s))")
    elif status is not None:
        conditions.append("h.status = %(status)s")
        parameters["status"] = status
    if other_id is not None:
        conditions.append("%(other)s IN (h.source_merchant_id, h.target_merchant_id)")
        parameters["other"] = other_id
    where = " AND ".join(conditions)
    order = "ORDER BY h.id DESC LIMIT %(limit)s"
    if merchant_id is None:
        return f"SELECT h.id FROM transfers_hold h WHERE {where} {order}", parameters
    parameters["merchant"] = merchant_id
    sides = " UNION ".join(
        f"(SELECT h.id FROM transfers_hold h WHERE h.{side}_id = %(merchant)s AND {where} {order})"
        for side in ("source_merchant", "target_merchant")
    )
    return f"SELECT h.id FROM ({sides}) h {order}", parameters


def list_holds(
    *, merchant_id: UUID | None, status: str | None, before: UUID | None, limit: int, other_id: UUID | None = None
) -> list[HoldState]:
    """Return holds newest first, older than ``before``. Two round trips."""
    statement, parameters = page_statement(merchant_id=merchant_id, status=status, before=before, limit=limit, other_id=other_id)
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        ids = [row[0] for row in cursor.fetchall()]
    return [hold_state(hold) for hold in Hold.objects.select_related(*_MERCHANTS).filter(id__in=ids).order_by("-id")]


def due_holds(*, limit: int) -> list[HoldTerms]:
    """Return the terms of open holds whose time ran out, longest overdue first."""
    now = datetime.now(UTC)
    holds = Hold.objects.select_related(*_MERCHANTS).filter(status=HoldStatus.OPEN, expires_at__lte=now).order_by("expires_at")[:limit]
    return [hold_state(hold).terms for hold in holds]
