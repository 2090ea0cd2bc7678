"""Searches by what no index has: an amount, a part of a memo or of a reference, a request's id.

A search reads the newest rows, ``LOOKED_AT`` of them at most, and says how far back it went. It can
go on from there. So it takes a bounded time, however long the journal is. Synchronous.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from ledger_project.kernel.ids import first_uuid7_at, last_uuid7_at, time_of
from transfers.models import IdempotencyRecord, Transfer

LOOKED_AT = 50_000
"""The most transfers, and the most stored answers, that one search reads."""

_BEFORE, _AFTER = timedelta(minutes=1), timedelta(minutes=2)
"""How long before and after the id of its request was made a transfer may have been posted: the
clocks of the service and of the database may differ, and a posting may wait."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,128}", re.ASCII)

_HAS_TEXT = "strpos(lower(memo), lower(%(text)s)) > 0 OR strpos(lower(external_reference), lower(%(text)s)) > 0 OR request_id = %(text)s"
_HAS_PART_OF_ID = "strpos(id::text, %(part)s) > 0"
_HAS_AMOUNT = """ARRAY[amount_minor, total_debit_minor, hold_minor] && %(different)s::numeric[] AND EXISTS (
    SELECT FROM unnest(%(currencies)s::text[], %(amounts)s::numeric[]) AS wanted(currency, amount)
    WHERE wanted.currency = currency_id AND wanted.amount IN (amount_minor, total_debit_minor, hold_minor))"""

# The transfer that begins a hold moves the fee too, so the amount that was agreed is the hold's.
_NEWEST = """SELECT id FROM (
    SELECT id, currency_id, amount_minor, total_debit_minor, memo, external_reference, request_id,
        CASE WHEN kind = 'hold' THEN (SELECT hold.amount_minor FROM transfers_hold hold WHERE hold.id = hold_id) END AS hold_minor
    FROM transfers_transfer WHERE id < %(before)s ORDER BY id DESC LIMIT %(rows)s) AS newest
WHERE {condition} ORDER BY id DESC LIMIT %(limit)s"""

_LAST_LOOKED_AT = "SELECT id FROM transfers_transfer WHERE id < %(before)s ORDER BY id DESC OFFSET %(rows)s - 1 LIMIT 1"

_OF_REQUEST = """SELECT id FROM (
    SELECT id, request_id FROM transfers_transfer WHERE id BETWEEN %(first)s AND %(last)s ORDER BY id LIMIT %(rows)s) AS posted
WHERE request_id = %(text)s ORDER BY id DESC LIMIT %(limit)s"""

_REFUSED = """SELECT id, created_at FROM (
    SELECT id, created_at, status_code, body FROM transfers_idempotencyrecord
    WHERE created_at BETWEEN %(first)s AND %(last)s ORDER BY created_at DESC LIMIT %(rows)s) AS answered
WHERE status_code >= 400 AND strpos(body, %(text)s) > 0 LIMIT %(limit)s"""

_NO_ID_BEFORE = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a text may stand for: a part of a memo or of a reference, an amount, a part of an id.

    ``amounts_minor`` has the amount in minor units, by the code of the currency.
    ``part_of_id`` is in lower case.
    """

    text: str
    amounts_minor: Mapping[str, int]
    part_of_id: str = ""


@dataclass(frozen=True, slots=True)
class RecentTransfers:
    """Transfers that were found, newest first.

    ``looked_back_to`` is the oldest transfer that was looked at; None if there is no older one.
    """

    transfers: list[Transfer]
    looked_back_to: UUID | None


def search_recent(wanted: Wanted, *, before: UUID | None, limit: int) -> RecentTransfers:
    """Return the newest transfers older than ``before`` that have what is wanted, ``limit`` at
    most.

    An amount is that of the transfer or of its hold, or what the sender paid with the fee. The case
    of texts does not count. To look further back, ask again with ``looked_back_to`` as ``before``.
    """
    conditions = [_HAS_TEXT]
    if wanted.amounts_minor:
        conditions.append(_HAS_AMOUNT)
    if wanted.part_of_id:
        conditions.append(_HAS_PART_OF_ID)
    values = {
        "text": wanted.text,
        "part": wanted.part_of_id,
        "currencies": list(wanted.amounts_minor),
        "amounts": list(wanted.amounts_minor.values()),
        # Most currencies have the same number of decimals: each row is compared with few amounts.
        "different": sorted(set(wanted.amounts_minor.values())),
        "before": before or _NO_ID_BEFORE,
        "rows": LOOKED_AT,
        "limit": limit,
    }
    found = _rows(_NEWEST.format(condition=" OR ".join(f"({condition})" for condition in conditions)), values)
    last = found[-1:] if len(found) == limit else _rows(_LAST_LOOKED_AT, values)
    return RecentTransfers(_transfers(found), last[0][0] if last else None)


def transfers_of_request(request_id: str, *, limit: int) -> list[Transfer]:
    """Return what a request posted, newest first.

    The service's own ids of requests are UUIDs of the time that they were made at, so only
    transfers of that time are read. An id that a caller made is not found: ``search_recent`` finds
    it.
    """
    made_at = _time_of_request(request_id)
    if made_at is None:
        return []
    first, last = first_uuid7_at(made_at - _BEFORE), last_uuid7_at(made_at + _AFTER)
    return _transfers(_rows(_OF_REQUEST, {"text": request_id, "first": first, "last": last, "rows": LOOKED_AT, "limit": limit}))


def refusals_of_request(request_id: str, *, limit: int) -> list[IdempotencyRecord]:
    """Return the stored refusals that told a caller this request id.

    With an id of the service's own, the answers of that time are read; else the newest ones.
    """
    if _REQUEST_ID.fullmatch(request_id) is None:
        return []
    made_at = _time_of_request(request_id)
    period: dict[str, Any] = {"first": "-infinity", "last": "infinity"}
    if made_at is not None:
        period = {"first": made_at - _BEFORE, "last": made_at + _AFTER}
    found = _rows(_REFUSED, {**period, "text": f'"request_id":"{request_id}"', "rows": LOOKED_AT, "limit": limit})
    keys = [row[0] for row in found]
    return list(IdempotencyRecord.objects.filter(created_at__in=[row[1] for row in found], id__in=keys))


def _time_of_request(request_id: str) -> datetime | None:
    try:
        made = UUID(request_id)
    except ValueError:
        return None
    return time_of(made) if made.version == 7 else None


def _transfers(found: list[tuple[Any, ...]]) -> list[Transfer]:
    related = ("source__merchant", "target__merchant", "hold__source_merchant", "hold__target_merchant")
    return list(Transfer.objects.select_related(*related).filter(id__in=[row[0] for row in found]).order_by("-id"))


def _rows(statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
