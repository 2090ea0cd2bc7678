"""The filters of the list of approvals."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from approvals.domain.policies import Action
from approvals.domain.states import ApprovalStatus
from console.list_exports import Column
from console.list_filters import FilterField, ListBar, Moments
from ledger_project.kernel.ids import first_uuid7_at
from ledger_project.kernel.money import Money
from merchants.selectors import known_currency

WAITS, ANY = "", "any"
"""The values of the filter of states: what waits, which is shown where nothing is chosen; all."""

_CLOCKS_DIFFER_BY = timedelta(hours=1)
"""An id has the time of a process, and the column the database's: ids are taken from so much more.
"""


class ApprovalBar(ListBar):
    """Approvals by state, action, merchant, currency and days. What waits is shown first."""

    names = ("status", "action", "merchant", "currency", "from", "to")
    clear_words = "Only what waits"
    empty_words = "Nothing waits for a second person."

    def narrow(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the approvals that the filters keep."""
        status = self.choice("status", {ANY, *ApprovalStatus})
        action, merchant, unit, period = self.choice("action", set(Action)), self.merchant(), self.unit(), self.period()
        if self.problems:
            return rows
        if status == WAITS:
            self.notes.append("These wait for a second person, the newest first. The filter of the status shows what was decided.")
        if status in {WAITS, ApprovalStatus.PENDING}:
            rows = rows.filter(status=ApprovalStatus.PENDING.value, expires_at__gt=Now())
        elif status != ANY:
            rows = rows.filter(status=status)
        if merchant is not None:
            rows = rows.filter(merchant_id=merchant.id)
        wanted = {"action": action, "currency": None if unit is None else unit.code}
        return rows.filter(**{name: value for name, value in wanted.items() if value}).filter(_within(period))

    def fields(self) -> Iterable[FilterField]:
        """Return the inputs."""
        statuses = [(status.value, status.value) for status in ApprovalStatus if status is not ApprovalStatus.PENDING]
        return [
            self.input("status", "Status", options=[(WAITS, "waits"), (ANY, "all"), *statuses]),
            self.select("action", "Action", [(action.value, action.value.replace("_", " ")) for action in Action]),
            self.merchant_input(),
            self.currency_input(),
            *self.day_inputs(),
        ]


def _within(period: Moments) -> Q:
    """Return the condition of a period: ids find the rows, and the column says exactly which."""
    condition = Q()
    if period.start is not None:
        condition &= Q(created_at__gte=period.start, id__gte=first_uuid7_at(period.start - _CLOCKS_DIFFER_BY))
    if period.end is not None:
        condition &= Q(created_at__lt=period.end, id__lt=first_uuid7_at(period.end + _CLOCKS_DIFFER_BY))
    return condition


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


APPROVAL_COLUMNS = (
    Column("id", lambda row: str(row.id)),
    Column("time_utc", lambda row: row.created_at),
    Column("status", lambda row: row.status_now),
    Column("action", lambda row: row.action),
    Column("what", lambda row: row.summary),
    Column("currency", lambda row: row.currency or None),
    Column("amount", lambda row: None if row.amount_minor is None else Money(row.amount_minor, known_currency(row.currency))),
    Column("merchant", lambda row: None if row.merchant is None else row.merchant.name),
    Column("asked_by", lambda row: row.requested_by),
    Column("reason", lambda row: row.reason or None),
    Column("expires_utc", lambda row: row.expires_at),
    Column("decided_by", lambda row: row.decided_by or None),
    Column("decided_utc", lambda row: row.decided_at),
    Column("decision_reason", lambda row: row.decision_reason or None),
    Column("transfer", lambda row: _text(row.transfer_id)),
    Column("failure", lambda row: row.failure_code or None),
)
"""The columns of a file of approvals. The rows have ``status_now``."""
