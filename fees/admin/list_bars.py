"""The filters of the list of fee versions, and the columns of its files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet

from console.list_exports import Column
from console.list_filters import FilterField, ListBar
from fees.admin.words import shown_percent, tier_lines
from fees.domain import Payer
from fees.models import FeeSchedule
from fees.selectors import in_state, state_now, stored_schedule
from ledger_project.kernel.money import Money
from merchants.selectors import known_currency

_WHOSE = {"everyone": "everyone's", "own": "merchants' own"}
_STATES = ("in force", "future", "superseded")
_KINDS = {"transfer": "transfers only", "capture": "captures only", "all": "transfers and captures"}


class FeeBar(ListBar):
    """Versions by merchant, by whose they are, by currency, kind, state and payer."""

    names = ("merchant", "whose", "currency", "kind", "state", "payer")

    def narrow(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the versions that the filters keep."""
        merchant, unit = self.merchant(), self.unit()
        whose, kind = self.choice("whose", set(_WHOSE)), self.choice("kind", set(_KINDS))
        state, payer = self.choice("state", set(_STATES)), self.choice("payer", set(Payer))
        wanted: dict[str, object] = {}
        if merchant is not None:
            wanted["merchant_id"] = merchant.id
        if whose:
            wanted["merchant__isnull"] = whose == "everyone"
        if unit is not None:
            wanted["currency_id"] = unit.code
        if kind:
            wanted |= {"kind__isnull": True} if kind == "all" else {"kind": kind}
        if payer:
            wanted["payer"] = payer
        kept = rows.filter(**wanted)
        return in_state(kept, state) if state else kept

    def fields(self) -> Iterable[FilterField]:
        """Return the inputs."""
        return [
            self.merchant_input(),
            self.select("whose", "Whose", _WHOSE.items()),
            self.currency_input(),
            self.select("kind", "For", _KINDS.items()),
            self.select("state", "State", [(state, state) for state in _STATES]),
            self.select("payer", "Paid by", [(payer.value, f"the {payer.value}") for payer in Payer]),
        ]


def _money(name: str) -> Any:
    def amount(row: FeeSchedule) -> Money | None:
        minor = getattr(row, name)
        return None if minor is None or row.currency_id is None else Money(minor, known_currency(row.currency_id))

    return amount


def _tiers(row: FeeSchedule) -> str:
    schedule = stored_schedule(row)
    lines = tier_lines(schedule, known_currency(row.currency_id)) if schedule and schedule.tiers and row.currency_id else []
    return f"{row.tier_mode}: {'; '.join(lines)}" if lines else ""


def _rate(row: FeeSchedule) -> str | None:
    schedule = stored_schedule(row)
    return None if schedule is None or schedule.tiers else shown_percent(schedule.scaled_rate)


FEE_COLUMNS = (
    Column("id", lambda row: str(row.id)),
    Column("merchant", lambda row: row.merchant.name if row.merchant else None),
    Column("currency", lambda row: row.currency_id),
    Column("kind", lambda row: row.kind),
    Column("version", lambda row: str(row.version)),
    Column("state", state_now),
    Column("rate", _rate),
    Column("flat", _money("flat_minor")),
    Column("minimum", _money("minimum_minor")),
    Column("maximum", _money("maximum_minor")),
    Column("tiers", _tiers),
    Column("rounding", lambda row: row.rounding.replace("_", "-")),
    Column("paid_by", lambda row: row.payer),
    Column("in_force_from_utc", lambda row: row.effective_from),
    Column("reason", lambda row: row.note),
)
"""The columns of a file of fee versions."""
