"""Fees, each against the version of the schedule that its transfer names.

The database checks plain schedules. The domain calculates again what the database finds, and every
fee by tiers; its result decides. These rows come through a server-side cursor, so that any number
of them takes the memory of one fetch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg

from fees.domain import Schedule, calculate_fee
from fees.selectors import SCHEDULE_COLUMNS, schedule_of
from ledger_project.database.fields import readable
from transfers.reconciliation.scopes import Scope

FEE = """
least(greatest(CASE rounding
    WHEN 'half_even' THEN CASE WHEN exact - trunc(exact) = 0.5 AND mod(trunc(exact), 2) = 0 THEN trunc(exact) ELSE round(exact) END
    WHEN 'half_up' THEN round(exact)
    WHEN 'half_down' THEN CASE WHEN exact - trunc(exact) = 0.5 THEN trunc(exact) ELSE round(exact) END
    WHEN 'up' THEN ceil(exact)
    WHEN 'ceiling' THEN ceil(exact)
    ELSE floor(exact) END, minimum_minor), maximum_minor)
"""
"""``fees.domain.calculate_fee`` without tiers, in SQL; a test compares the two."""

_VERSION = """
v.id AS schedule, v.merchant_id AS schedule_merchant, v.currency_id AS schedule_currency, v.kind AS schedule_kind, v.effective_from,
    v.superseded_at, v.tier_mode, v.rounding, v.minimum_minor, v.maximum_minor
"""

_SUSPECTS = f"""
WITH versions AS (
    -- A version counts from the later of the moment it names and the moment it was written.
    SELECT f.*, lead(greatest(f.effective_from, f.created_at)) OVER (PARTITION BY f.merchant_id, f.currency_id, f.kind ORDER BY f.version)
        AS superseded_at
    FROM fees_feeschedule f
)
SELECT subject, fee_minor, amount_minor, fee_schedule_id, CASE
    WHEN schedule IS NULL AND fee_schedule_id IS NOT NULL THEN 'its fee schedule ' || fee_schedule_id || ' does not exist'
    WHEN schedule IS NULL THEN 'it names no fee schedule'
    WHEN schedule_merchant <> merchant_id OR schedule_currency <> currency_id OR schedule_kind <> kind
        THEN 'its fee schedule ' || schedule || ' is not for it'
    WHEN effective_from > priced_at THEN 'its fee schedule ' || schedule || ' was not yet in force'
    -- Schedules are read before the locks and times after them, hence the minute.
    WHEN superseded_at <= priced_at - interval '1 minute' THEN 'its fee schedule ' || schedule || ' was superseded before it'
END AS reason
FROM (
    SELECT 'transfer ' || t.id AS subject, t.kind, t.fee_minor, t.amount_minor, t.fee_schedule_id, t.currency_id, a.merchant_id,
        coalesce(h.created_at, t.created_at) AS priced_at, v.flat_minor + v.rate * t.amount_minor AS exact, {_VERSION}
    FROM transfers_transfer t
    JOIN merchants_account a ON a.id = t.source_id
    LEFT JOIN versions v ON v.id = t.fee_schedule_id
    LEFT JOIN transfers_hold h ON h.id = t.hold_id
    WHERE (t.fee_schedule_id IS NOT NULL OR t.kind IN ('transfer', 'capture')) AND /*transfers*/
        AND {readable("t.amount_minor", "t.fee_minor")}
    UNION ALL
    SELECT 'hold ' || h.id, 'capture', h.reserved_minor - h.amount_minor, h.amount_minor, h.fee_schedule_id, h.currency_id,
        h.source_merchant_id, h.created_at, v.flat_minor + v.rate * h.amount_minor, {_VERSION}
    FROM transfers_hold h JOIN versions v ON v.id = h.fee_schedule_id
    WHERE v.payer = 'sender' AND {readable("h.amount_minor", "h.reserved_minor")} AND /*holds*/
) priced
WHERE schedule IS NULL OR tier_mode IS NOT NULL
    OR schedule_merchant <> merchant_id OR schedule_currency <> currency_id OR schedule_kind <> kind
    OR effective_from > priced_at OR superseded_at <= priced_at - interval '1 minute'
    OR fee_minor <> {FEE}
"""

_SCHEDULE = f"SELECT {', '.join(SCHEDULE_COLUMNS)} FROM fees_feeschedule WHERE id = %s"

_PAGE = 2_000


def wrong_fees(raw: psycopg.Connection[Any], scope: Scope, limit: int) -> Iterator[tuple[str, str]]:
    """Return the transfers whose fee is not what the named version says.

    Also those whose version cannot have applied to them.
    """
    schedules: dict[UUID, Schedule | None] = {}
    found = 0
    with raw.cursor("suspect_fees") as cursor:
        cursor.itersize = _PAGE
        cursor.execute(scope.bind(_SUSPECTS), scope.parameters(limit))
        for subject, fee, amount, schedule_id, reason in cursor:
            if reason is None:
                if schedule_id not in schedules:
                    schedules[schedule_id] = _schedule(raw, schedule_id)
                reason = _wrong_fee(schedules[schedule_id], schedule_id, int(amount), int(fee))  # noqa: PLW2901 - the reason found or made
                if reason is None:
                    continue
            yield subject, reason
            found += 1
            if found == limit:
                return


def _wrong_fee(schedule: Schedule | None, schedule_id: UUID, amount_minor: int, fee_minor: int) -> str | None:
    """Return what is wrong with a fee; None if it is right."""
    if schedule is None:
        return f"its fee schedule {schedule_id} has amounts or tiers that are no numbers"
    expected = calculate_fee(schedule, amount_minor)
    if expected == fee_minor:
        return None
    return f"its fee is {fee_minor}, version {schedule.version} of schedule {schedule_id} says {expected}"


def _schedule(raw: psycopg.Connection[Any], schedule_id: UUID) -> Schedule | None:
    """Return a version of a schedule; None if its amounts or tiers are no numbers."""
    row = psycopg.Cursor(raw).execute(_SCHEDULE, [schedule_id]).fetchone()
    assert row is not None  # the same snapshot just named it
    try:
        return schedule_of(dict(zip(SCHEDULE_COLUMNS, row, strict=True)))
    except (ValueError, ArithmeticError):  # an int of NaN, an int of Infinity or a Decimal of other text
        return None
