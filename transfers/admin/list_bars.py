"""The filters of the lists of transfers and holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet

from console.list_exports import Column
from console.list_filters import FilterField, ListBar, Moments
from console.lists import depth_of
from ledger_project.kernel.money import Money
from merchants.selectors import known_currency
from transfers.domain.hold_outcomes import HoldStatus
from transfers.domain.kinds import TransferKind
from transfers.domain.reversals import OriginalPhase
from transfers.figures.summary import INTERNAL_KINDS
from transfers.selectors.list_rows import FeeSide, Narrowed, Period, RowFilters, TransferRowFilters, holds_of_list, transfers_of_list
from transfers.selectors.searches import LOOKED_AT

MOVEMENTS = "movements"
"""The value of the filter of kinds for all that the dashboard calls movements."""

_PHASES = {
    "unreversed": ("not reversed", OriginalPhase.UNREVERSED),
    "partly": ("partly reversed", OriginalPhase.PARTLY_REVERSED),
    "reversed": ("reversed in full", OriginalPhase.FULLY_REVERSED),
}
_FEES = {FeeSide.CHARGED: "charged", FeeSide.REFUNDED: "given back", FeeSide.EITHER: "charged or given back"}


class RowBar(ListBar):
    """What the filters of transfers and of holds have in common."""

    def row_filters(self) -> dict[str, Any]:
        """Return the filters that both have."""
        merchant, unit, period = self.merchant(), self.unit(), self.period()
        amounts = self.amounts(unit)
        return {
            "merchant_id": None if merchant is None else merchant.id,
            "currency": None if unit is None else unit.code,
            "period": _period(period),
            "low_minor": amounts.low_minor,
            "high_minor": amounts.high_minor,
        }

    def rows_of(self, narrowed: Narrowed, what: str) -> QuerySet[Any]:
        """Return the rows, and say how far back they go."""
        if narrowed.looked_back_to is not None:
            self.notes.append(
                f"Of the newest {LOOKED_AT:,} {what} were looked at, back to {narrowed.looked_back_to:%Y-%m-%d %H:%M:%S}."
                " Days that end earlier find older ones."
            )
        return narrowed.rows


class TransferBar(RowBar):
    """Transfers by merchant, currency, kind, days, amount, reversals and fees."""

    names = ("merchant", "currency", "kind", "from", "to", "before", "amount_from", "amount_to", "state", "fees")

    def narrow(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the transfers that the filters keep."""
        kind = self.choice("kind", {MOVEMENTS, *TransferKind})
        state, fees = self.choice("state", _PHASES), self.choice("fees", set(FeeSide))
        common = self.row_filters()
        if self.problems:
            return rows
        kinds = [one for one in TransferKind if one not in INTERNAL_KINDS] if kind == MOVEMENTS else [kind] if kind else []
        wanted = TransferRowFilters(**common, kinds=kinds, phase=_PHASES[state][1] if state else None, fees=FeeSide(fees) if fees else None)
        return self.rows_of(transfers_of_list(rows, wanted, depth=depth_of(self.request)), "transfers")

    def fields(self) -> Iterable[FilterField]:
        """Return the inputs."""
        kinds = [(kind.value, kind.replace("_", " ")) for kind in TransferKind]
        return [
            self.merchant_input("Merchant, on either side"),
            self.currency_input(),
            self.select("kind", "Kind", [(MOVEMENTS, "all but holds and sweeps"), *kinds]),
            *self.day_inputs(),
            *self.amount_inputs(),
            self.select("state", "Reversed", [(name, words) for name, (words, _) in _PHASES.items()]),
            self.select("fees", "Fee", _FEES.items()),
        ]


class HoldBar(RowBar):
    """Holds by merchant, currency, state, days and amount."""

    names = ("merchant", "currency", "status", "from", "to", "before", "amount_from", "amount_to")

    def narrow(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the holds that the filters keep."""
        status = self.choice("status", set(HoldStatus))
        wanted = self.row_filters()
        if self.problems:
            return rows
        return self.rows_of(holds_of_list(rows, RowFilters(**wanted), status or None, depth=depth_of(self.request)), "holds")

    def fields(self) -> Iterable[FilterField]:
        """Return the inputs."""
        return [
            self.merchant_input("Merchant, on either side"),
            self.currency_input(),
            self.select("status", "Status", [(status.value, status.value) for status in HoldStatus]),
            *self.day_inputs(),
            *self.amount_inputs(),
        ]


def _period(moments: Moments) -> Period:
    return Period(moments.start, moments.end)


def _amount(name: str) -> Any:
    return lambda row: Money(getattr(row, name), known_currency(row.currency_id))


TRANSFER_COLUMNS = (
    Column("id", lambda row: str(row.id)),
    Column("time_utc", lambda row: row.created_at),
    Column("kind", lambda row: row.kind),
    Column("from", lambda row: row.source.merchant.name),
    Column("from_account", lambda row: row.source.kind),
    Column("to", lambda row: row.target.merchant.name),
    Column("to_account", lambda row: row.target.kind),
    Column("currency", lambda row: row.currency_id),
    Column("amount", _amount("amount_minor")),
    Column("fee", _amount("fee_minor")),
    Column("sender_pays", _amount("total_debit_minor")),
    Column("reversed", lambda row: Money(row.reversed_minor or 0, known_currency(row.currency_id))),
    Column("reverses", lambda row: None if row.reverses_id is None else str(row.reverses_id)),
    Column("external_reference", lambda row: row.external_reference),
    Column("memo", lambda row: row.memo),
)
"""The columns of a file of transfers. The rows have ``reversed_minor``."""

HOLD_COLUMNS = (
    Column("id", lambda row: str(row.id)),
    Column("time_utc", lambda row: row.created_at),
    Column("status", lambda row: row.status),
    Column("from", lambda row: row.source_merchant.name),
    Column("to", lambda row: row.target_merchant.name),
    Column("currency", lambda row: row.currency_id),
    Column("amount", _amount("amount_minor")),
    Column("reserved", _amount("reserved_minor")),
    Column("captured", _amount("captured_minor")),
    Column("expires_utc", lambda row: row.expires_at),
    Column("capture", lambda row: None if row.capture_id is None else str(row.capture_id)),
    Column("memo", lambda row: row.memo),
)
"""The columns of a file of holds."""
