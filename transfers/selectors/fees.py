"""Fees: the schedule by which a movement is charged."""

from __future__ import annotations

from uuid import UUID

from fees.domain import Schedule, choose_schedule
from fees.selectors import load_schedules
from ledger_project.database.clock import database_now
from transfers.domain.kinds import TransferKind


def applicable_schedule(merchant_id: UUID, currency: str, kind: TransferKind = TransferKind.TRANSFER) -> Schedule | None:
    """Return the schedule by which a movement of this merchant would be charged now.

    Now is the time of the database's clock, as for a posting. Two round trips, or three.
    """
    schedules = load_schedules(merchant_ids=[merchant_id], currencies=[currency])
    return choose_schedule(schedules, merchant_id=merchant_id, currency=currency, kind=kind.value, at=database_now())
