"""Holds: one hold, a list of holds, and the holds whose time ran out.

A list is read as text, without the merchants: their names come from a memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple, TypeAlias, cast
from uuid import UUID

from django.db.models import Count, Max, Min, Q
from msgspec import Struct

from fees.selectors import get_schedule
from ledger_project.database.arrays import uuids
from ledger_project.database.fields import readable
from ledger_project.database.prepared import positional
from ledger_project.database.reading_lane import Question, ask
from ledger_project.database.reading_pages import read_page
from ledger_project.kernel.money import MAX_BALANCE_MINOR, CurrencyUnit
from merchants.domain import MerchantIdentity
from merchants.selectors import Party, known_currency, parties, units_of
from transfers.domain.commands import HoldTerms
from transfers.domain.facts import HoldState
from transfers.domain.hold_outcomes import HoldPhase, HoldStatus
from transfers.models import Hold
from transfers.models.holds import in_phase, phase_condition


def hold_state(hold: Hold) -> HoldState:
    """Return a stored hold, with its merchants selected, as the domain knows it."""
    return HoldState(
        terms=HoldTerms(
            id=hold.id,
            source=MerchantIdentity(hold.source_merchant_id, hold.source_merchant.name),
            target=MerchantIdentity(hold.target_merchant_id, hold.target_merchant.name),
            currency=known_currency(hold.currency_id),
            amount_minor=hold.amount_minor,
            reserved_minor=hold.reserved_minor,
            schedule=get_schedule(hold.fee_schedule_id),
            expires_at=hold.expires_at,
            memo=hold.memo,
            metadata=hold.metadata,
            created_at=hold.created_at,
        ),
        status=HoldStatus(hold.status),
        captured_minor=hold.captured_minor,
        transfer_id=hold.capture_id,
    )


def find_hold_terms(hold_id: UUID) -> HoldTerms | None:
    """Return the terms of a hold."""
    hold = Hold.objects.select_related("source_merchant", "target_merchant").filter(id=hold_id).first()
    return None if hold is None else hold_state(hold).terms


READABLE = Q(amount_minor__lte=MAX_BALANCE_MINOR, reserved_minor__lte=MAX_BALANCE_MINOR, captured_minor__lte=MAX_BALANCE_MINOR)
"""Holds whose amounts are numbers.

The tables' rules keep all others out, but the owner of the tables can still write one.
"""

_READABLE_COLUMNS = readable("h.amount_minor", "h.reserved_minor", "h.captured_minor")

_PHASES = {HoldStatus.OPEN.value: (HoldPhase.OPEN,), HoldStatus.EXPIRED.value: (HoldPhase.EXPIRED, HoldPhase.LAPSED)}
"""The phases that read as a status, for each status that is not a phase of the same name alone."""


HoldRow: TypeAlias = tuple[str, str, str, str, str, str, str, str, str, str | None, str | None, str, str]
"""A hold as a list reads it: id, status, payer, receiver, currency, amount, reserved, captured,
when it expires (UTC), its capture, memo, metadata, time (UTC).
"""

_COLUMNS = f"""
SELECT h.id::text, CASE WHEN {phase_condition(HoldPhase.LAPSED, "h")} THEN '{HoldStatus.EXPIRED.value}' ELSE h.status END,
    h.source_merchant_id::text, h.target_merchant_id::text, h.currency_id,
    h.amount_minor::text, h.reserved_minor::text, h.captured_minor::text, (h.expires_at AT TIME ZONE 'UTC')::text,
    h.capture_id::text, h.memo, h.metadata::text, (h.created_at AT TIME ZONE 'UTC')::text
FROM ({{newest}}) n CROSS JOIN LATERAL (SELECT * FROM transfers_hold WHERE id = n.id OFFSET 0) h
ORDER BY h.id DESC
"""
# OFFSET 0 keeps the look-up of a hold a look-up, whatever the planner knows of the table.


class HoldPage(Struct, frozen=True):
    """Holds newest first, as they stand now by the database's clock: a lapsed hold reads as
    expired. With the parties and the currencies that they name.
    """

    rows: list[HoldRow]
    parties: Mapping[str, Party]
    units: Mapping[str, CurrencyUnit]


def page_statement(
    *, merchant_id: UUID | None, status: str | None, before: UUID | None, limit: int, other_id: UUID | None = None
) -> tuple[str, list[object]]:
    """Return the SQL of one page, newest first, and its parameters."""
    values: dict[str, object] = {"limit": limit, "merchant": merchant_id, "before": before, "other": other_id}
    phases = [] if status is None else _PHASES.get(status) or [HoldPhase(status)]
    conditions = [phase_condition(phase, "h") for phase in phases] or ["true"]
    sides = [""] if merchant_id is None else [f"h.{side}_id = %(merchant)s AND " for side in ("source_merchant", "target_merchant")]
    cursor = f" AND {_READABLE_COLUMNS}" + ("" if before is None else " AND h.id < %(before)s")
    if other_id is not None:
        cursor += " AND %(other)s IN (h.source_merchant_id, h.target_merchant_id)"
    order = "ORDER BY h.id DESC LIMIT %(limit)s"
    # Each part is read from one index in order and stops at the limit; their union is small.
    parts = " UNION ".join(
        f"(SELECT h.id FROM transfers_hold h WHERE {side}{condition}{cursor} {order})" for side in sides for condition in conditions
    )
    return positional(_COLUMNS.format(newest=f"SELECT h.id FROM ({parts}) h {order}"), values)


HOLDS: Question[UUID, HoldRow] = Question(
    _COLUMNS.format(newest="SELECT unnest(%s::uuid[]) AS id"),
    lambda keys: [uuids(keys)],
    lambda rows: {UUID(row[0]): row for row in cast("Iterable[HoldRow]", rows)},
)
"""A hold by its id."""


async def get_hold(hold_id: UUID) -> HoldPage | None:
    """Return one hold. Raises what ``ask`` does."""
    row = await ask(HOLDS, hold_id)
    return None if row is None else await _page([row])


async def list_holds(
    *, merchant_id: UUID | None, status: str | None, before: UUID | None, limit: int, other_id: UUID | None = None
) -> HoldPage:
    """Return holds newest first, older than ``before``. One round trip; one more for merchants that
    this process has not seen.

    ``status`` is the status that a hold reads as: lapsed holds are expired, not open. A merchant's
    holds are those that it pays and those that it may receive, each read from their own index;
    ``other_id`` is the merchant on the other side.
    """
    statement = page_statement(merchant_id=merchant_id, status=status, before=before, limit=limit, other_id=other_id)
    return await _page(cast("list[HoldRow]", await read_page(*statement)))


async def _page(rows: list[HoldRow]) -> HoldPage:
    merchants = [merchant for row in rows for merchant in row[2:4]]
    return HoldPage(rows, await parties(merchants), await units_of(row[4] for row in rows))


def unreadable_due_holds(*, limit: int) -> list[UUID]:
    """Return lapsed holds that cannot be released, since their amounts are no numbers."""
    return list(Hold.objects.filter(~READABLE, in_phase(HoldPhase.LAPSED)).order_by("id").values_list("id", flat=True)[:limit])


def due_holds(*, after: HoldTerms | None = None, limit: int) -> list[HoldTerms]:
    """Return the terms of lapsed holds by the database's clock, the longest overdue first.

    ``after`` are the terms of the last hold of the page before. Three round trips.
    """
    due = Hold.objects.filter(READABLE, in_phase(HoldPhase.LAPSED))
    if after is not None:
        due = due.filter(Q(expires_at__gt=after.expires_at) | Q(expires_at=after.expires_at, id__gt=after.id))
    # The merchants of a page are read by their ids, in a query of their own. In a join, the planner
    # may merge a page with a walk along all merchants.
    due = due.select_related("currency").prefetch_related("source_merchant", "target_merchant")
    return [hold_state(hold).terms for hold in due.order_by("expires_at", "id")[:limit]]


class Reserve(NamedTuple):
    """The open holds that a wallet pays: how many, and when the first and the last one expires."""

    number: int
    first_expiry: datetime
    last_expiry: datetime


def open_reserves_now(merchant_id: UUID) -> Mapping[str, Reserve]:
    """Return what a merchant has reserved, by currency. From synchronous code. One round trip."""
    mine = Hold.objects.filter(in_phase(HoldPhase.OPEN), source_merchant_id=merchant_id, status=HoldStatus.OPEN.value)
    found = mine.order_by().values_list("currency_id").annotate(Count("id"), Min("expires_at"), Max("expires_at"))
    return {code: Reserve(number, first, last) for code, number, first, last in found}


class OpenHold(NamedTuple):
    """An open hold with the names of its parties."""

    id: UUID
    payer: str
    receiver: str
    amount_minor: int
    reserved_minor: int
    expires_at: datetime
    memo: str | None


def list_open_holds_now(merchant_id: UUID, *, currency: str, limit: int) -> list[OpenHold]:
    """Return the open holds that a merchant pays or may receive in a currency, the next to expire
    first. From synchronous code. One round trip.
    """
    parties = Q(source_merchant_id=merchant_id) | Q(target_merchant_id=merchant_id)
    mine = Hold.objects.filter(parties, in_phase(HoldPhase.OPEN), READABLE, status=HoldStatus.OPEN.value, currency_id=currency)
    columns = ("id", "source_merchant__name", "target_merchant__name", "amount_minor", "reserved_minor", "expires_at", "memo")
    return [OpenHold(*row) for row in mine.order_by("expires_at", "id").values_list(*columns)[:limit]]
