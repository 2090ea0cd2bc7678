"""Which fee schedule a movement is charged by."""

from __future__ import annotations

from uuid import UUID

from fees.domain import Schedule, choose_schedule
from fees.selectors import load_schedules
from ledger_project.database.clock import database_now
from transfers.domain.kinds import TransferKind


def applicable_schedule(merchant_id: UUID, currency: str, kind: TransferKind = TransferKind.TRANSFER) -> Schedule | None:
    """Return the fee schedule that a movement of this merchant would be charged by now, by the database's clock as for a posting."""
    schedules = load_schedules(merchant_ids=[merchant_id], currencies=[currency])
    return choose_schedule(schedules, merchant_id=merchant_id, currency=currency, kind=kind.value, at=database_now())
