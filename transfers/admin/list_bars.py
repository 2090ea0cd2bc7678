"""The filters and the files of the lists of transfers, holds, refusals and requests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet

from console.list_exports import Column
from console.list_filters import FilterField, ListBar, Moments
from console.lists import depth_of
from ledger_project.kernel.money import Money
from merchants.selectors import find_currency_now, known_currency
from transfers.domain.deposit_requests import DepositRequestStatus
from transfers.domain.hold_outcomes import HoldStatus
from transfers.domain.kinds import TransferKind
from transfers.domain.reversals import OriginalPhase
from transfers.figures.summary import INTERNAL_KINDS
from transfers.selectors.list_rows import FeeSide, Narrowed, Period, RowFilters, TransferRowFilters, holds_of_list, transfers_of_list
from transfers.selectors.refusals import refusals_of, refused_codes
from transfers.selectors.searches import LOOKED_AT

_NO_CURRENCY = "none"
"""The value of the filter for refusals of requests that named no currency that exists."""

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


class RefusalBar(ListBar):
    """Refusals by merchant, code, currency and days.

    ``currency`` may be several codes with commas between them, or ``none`` for requests that named
    none that exists: the dashboard counts these beside a currency.
    """

    names = ("merchant", "code", "currency", "from", "to")

    def narrow(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the refusals that the filters keep."""
        merchant, codes, period = self.merchant(), self.codes(), self.period()
        if self.text("code"):
            rows = rows.filter(code=self.text("code"))
        if codes:
            rows = rows.filter(currency__in=codes)
        if period.start is not None:
            rows = rows.filter(created_at__gte=period.start)
        if period.end is not None:
            rows = rows.filter(created_at__lt=period.end)
        # At last: a merchant's refusals are the newest of those that the other filters keep.
        return rows if merchant is None or self.problems else refusals_of(merchant.id, rows)

    def codes(self) -> list[str]:
        """Return the codes of the currencies; an empty one stands for none."""
        wanted = [code.strip() for code in self.text("currency").split(",") if code.strip()]
        for code in wanted:
            if code != _NO_CURRENCY and find_currency_now(code) is None:
                self.wrong("currency", f"There is no currency “{code}”.")
        return ["" if code == _NO_CURRENCY else code for code in wanted]

    def fields(self) -> Iterable[FilterField]:
        """Return the inputs."""
        several = self.text("currency")
        words = several.replace(",", " or ").replace(_NO_CURRENCY, "no currency")
        return [
            self.merchant_input("Merchant, on either side"),
            self.select("code", "Code", [(code, code) for code in refused_codes()]),
            self.currency_input([(_NO_CURRENCY, "no currency"), *([(several, words)] if "," in several else [])]),
            *self.day_inputs(),
        ]


class DepositRequestBar(ListBar):
    """Requests to add money by merchant, currency, status, days and amount."""

    names = ("merchant", "currency", "status", "from", "to", "amount_from", "amount_to")

    def narrow(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the requests that the filters keep."""
        merchant, unit, period = self.merchant(), self.unit(), self.period()
        status, amounts = self.choice("status", set(DepositRequestStatus)), self.amounts(unit)
        wanted = {
            "merchant_id": None if merchant is None else merchant.id,
            "currency_id": None if unit is None else unit.code,
            "status": status or None,
            "created_at__gte": period.start,
            "created_at__lt": period.end,
            "amount_minor__gte": amounts.low_minor,
            "amount_minor__lte": amounts.high_minor,
        }
        return rows.filter(**{name: value for name, value in wanted.items() if value is not None})

    def fields(self) -> Iterable[FilterField]:
        """Return the inputs."""
        return [
            self.merchant_input(),
            self.currency_input(),
            self.select("status", "Status", [(status.value, status.value) for status in DepositRequestStatus]),
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
    Column("fee_given_back", lambda row: Money(row.refunded_minor or 0, known_currency(row.currency_id))),
    Column("sender_pays", _amount("total_debit_minor")),
    Column("reversed", lambda row: Money(row.reversed_minor or 0, known_currency(row.currency_id))),
    Column("reverses", lambda row: None if row.reverses_id is None else str(row.reverses_id)),
    Column("external_reference", lambda row: row.external_reference),
    Column("memo", lambda row: row.memo),
)
"""The columns of a file of transfers. The rows have ``reversed_minor`` and ``refunded_minor``."""

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


def _amount_of_refusal(row: Any) -> Money | None:
    return None if not row.currency or row.amount_minor is None else Money(row.amount_minor, known_currency(row.currency))


REFUSAL_COLUMNS = (
    Column("time_utc", lambda row: row.created_at),
    Column("code", lambda row: row.code),
    Column("kind", lambda row: row.kind),
    Column("from", lambda row: row.source and row.source.name),
    Column("to", lambda row: row.target and row.target.name),
    Column("currency", lambda row: row.currency),
    Column("amount", _amount_of_refusal),
    Column("words", lambda row: row.words),
    Column("request_id", lambda row: row.request_id),
    Column("principal", lambda row: row.principal),
    Column("id", lambda row: str(row.id)),
)
"""The columns of a file of refusals."""

DEPOSIT_REQUEST_COLUMNS = (
    Column("id", lambda row: str(row.id)),
    Column("time_utc", lambda row: row.created_at),
    Column("status", lambda row: row.status),
    Column("merchant", lambda row: row.merchant.name),
    Column("currency", lambda row: row.currency_id),
    Column("amount", _amount("amount_minor")),
    Column("memo", lambda row: row.memo),
    Column("bank_reference", lambda row: row.bank_reference),
    Column("decided_by", lambda row: row.decided_by),
    Column("decided_utc", lambda row: row.decided_at),
    Column("reason", lambda row: row.reason),
    Column("deposit", lambda row: None if row.transfer_id is None else str(row.transfer_id)),
)
"""The columns of a file of requests to add money."""
