"""Rows of the lists that operators filter: transfers and holds. Synchronous.

A list is read from an index, newest first. What no index has (amounts, what was reversed) is
compared in the newest rows, ``LOOKED_AT`` of them at most, and the list says how far back that is:
so a page takes a bounded time, however long the journal is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery, Sum

from ledger_project.database.arrays import uuids
from ledger_project.database.fields import MinorUnitsField
from ledger_project.database.prepared import positional
from ledger_project.kernel.ids import first_uuid7_at, time_of
from merchants.domain import AccountKind
from merchants.models import Account
from transfers.domain.kinds import REVERSIBLE_KINDS, Direction, EntryType, TransferKind
from transfers.domain.reversals import OriginalPhase
from transfers.models import Hold, LedgerEntry, Transfer
from transfers.selectors.searches import LOOKED_AT

_FIRST_ID, _LAST_ID = UUID(int=0), UUID(int=2**128 - 1)


class FeeSide(StrEnum):
    """The fees that a transfer moves."""

    CHARGED = "charged"
    """It charges one."""
    REFUNDED = "refunded"
    """It gives one back."""
    EITHER = "either"
    """It does one of these."""


@dataclass(frozen=True, slots=True)
class Period:
    """Times: from ``start`` until before ``end``; None where it has no such limit."""

    start: datetime | None = None
    end: datetime | None = None

    @property
    def first_id(self) -> UUID:
        """The smallest id of the period."""
        return _FIRST_ID if self.start is None else first_uuid7_at(self.start)

    @property
    def end_id(self) -> UUID:
        """The first id after the period."""
        return _LAST_ID if self.end is None else first_uuid7_at(self.end)


@dataclass(frozen=True, slots=True)
class RowFilters:
    """What transfers and holds have in common: a merchant on either side, a currency, a period,
    amounts in minor units (both ends included).
    """

    merchant_id: UUID | None = None
    currency: str | None = None
    period: Period = Period()
    low_minor: int | None = None
    high_minor: int | None = None

    @property
    def amounts(self) -> Q:
        """The condition on the amount."""
        condition = Q()
        if self.low_minor is not None:
            condition &= Q(amount_minor__gte=self.low_minor)
        if self.high_minor is not None:
            condition &= Q(amount_minor__lte=self.high_minor)
        return condition


@dataclass(frozen=True, slots=True)
class TransferRowFilters(RowFilters):
    """The filters of transfers.

    ``kinds`` are those that are kept; all if it is empty. ``phase`` is how much is reversed.
    """

    kinds: Collection[str] = ()
    phase: OriginalPhase | None = None
    fees: FeeSide | None = None


class Narrowed(NamedTuple):
    """The rows that filters keep.

    ``looked_back_to`` is how far back rows were looked at; None if to the beginning of the period.
    """

    rows: QuerySet[Any]
    looked_back_to: datetime | None = None


def transfers_of_list(rows: QuerySet[Transfer], wanted: TransferRowFilters, *, depth: int) -> Narrowed:
    """Return the transfers that the filters keep; of one merchant, the newest ``depth`` at most."""
    is_compared = bool(wanted.amounts) or wanted.phase is not None
    rows = rows.filter(_in_period(wanted.period))
    driver: dict[str, object] = {}
    if wanted.currency is not None:
        rows = rows.filter(currency_id=wanted.currency)
        driver = {"currency_id": wanted.currency}
    if wanted.kinds:
        rows = rows.filter(kind__in=wanted.kinds) if len(wanted.kinds) > 1 else rows.filter(kind=next(iter(wanted.kinds)))
        if TransferKind.TRANSFER not in wanted.kinds and len(wanted.kinds) == 1:
            driver = {"kind": next(iter(wanted.kinds))}
    oldest = None
    if wanted.merchant_id is not None:
        # The newest of each account and side, by the index on (account, id); then they are merged.
        accounts = _accounts(wanted.merchant_id, wanted.currency)
        rows, oldest = _among(rows, _SIDES_OF_TRANSFERS, accounts, wanted.period, LOOKED_AT if is_compared or wanted.kinds else depth)
    elif is_compared:
        oldest = _window(Transfer, driver, wanted.period)
        rows = rows if oldest is None else rows.filter(id__gte=oldest)
    rows = rows.filter(wanted.amounts & _of_phase(wanted.phase) & _of_fees(wanted.fees))
    return Narrowed(rows, None if oldest is None else time_of(oldest))


def holds_of_list(rows: QuerySet[Hold], wanted: RowFilters, status: str | None, *, depth: int) -> Narrowed:
    """Return the holds that the filters keep; of one merchant, the newest ``depth`` at most."""
    is_compared = bool(wanted.amounts) or wanted.currency is not None
    driver: dict[str, object] = {} if status is None else {"status": status}
    rows = rows.filter(_in_period(wanted.period), **driver)
    if wanted.currency is not None:
        rows = rows.filter(currency_id=wanted.currency)
    oldest = None
    if wanted.merchant_id is not None:
        sides = _SIDES_OF_HOLDS if status is None else _SIDES_OF_HOLDS_BY_STATUS
        rows, oldest = _among(rows, sides, [wanted.merchant_id], wanted.period, LOOKED_AT if is_compared else depth, status=status)
    elif is_compared and status != "open":  # of the open ones there are few, and an index by currency
        oldest = _window(Hold, driver, wanted.period)
        rows = rows if oldest is None else rows.filter(id__gte=oldest)
    return Narrowed(rows.filter(wanted.amounts), None if oldest is None else time_of(oldest))


def reversed_amount() -> Subquery:
    """Return how much of a query's transfer was reversed, as an expression; null if nothing."""
    parts = Transfer.objects.filter(reverses_id=OuterRef("pk")).order_by().values("reverses_id")
    return Subquery(parts.annotate(total=Sum("amount_minor")).values("total"), output_field=MinorUnitsField())


def refunded_fee() -> Subquery:
    """Return the fee that a query's transfer gave back, as an expression; null if none."""
    refunds = LedgerEntry.objects.filter(transfer_id=OuterRef("pk"), type=EntryType.FEE_REFUND, direction=Direction.CREDIT)
    total = refunds.order_by().values("transfer_id").annotate(total=Sum("amount_minor")).values("total")
    return Subquery(total, output_field=MinorUnitsField())


def _in_period(period: Period) -> Q:
    condition = Q()
    if period.start is not None:
        condition &= Q(id__gte=period.first_id)
    if period.end is not None:
        condition &= Q(id__lt=period.end_id)
    return condition


def _of_phase(phase: OriginalPhase | None) -> Q:
    if phase is None:
        return Q()
    is_reversible = Q(kind__in=sorted(REVERSIBLE_KINDS))
    has_reversal = Q(Exists(Transfer.objects.filter(reverses_id=OuterRef("pk"))))
    match phase:
        case OriginalPhase.NOT_REVERSIBLE:
            return ~is_reversible
        case OriginalPhase.UNREVERSED:
            return is_reversible & ~has_reversal
        case OriginalPhase.PARTLY_REVERSED:
            return is_reversible & has_reversal & Q(amount_minor__gt=reversed_amount())
        case OriginalPhase.FULLY_REVERSED:
            return is_reversible & has_reversal & Q(amount_minor__lte=reversed_amount())


def _of_fees(side: FeeSide | None) -> Q:
    if side is None:
        return Q()
    charges = Q(kind__in=sorted(REVERSIBLE_KINDS), fee_minor__gt=0)
    refunds = Q(kind=TransferKind.REVERSAL) & Q(Exists(LedgerEntry.objects.filter(transfer=OuterRef("pk"), type=EntryType.FEE_REFUND)))
    return {FeeSide.CHARGED: charges, FeeSide.REFUNDED: refunds, FeeSide.EITHER: charges | refunds}[side]


def _accounts(merchant_id: UUID, currency: str | None) -> list[UUID]:
    """Return the accounts of a merchant that its transfers name: beside an external or a held
    account, the other side of a transfer is its owner's own wallet.
    """
    accounts = Account.objects.filter(merchant_id=merchant_id).exclude(kind__in=[AccountKind.EXTERNAL, AccountKind.HELD])
    return list(accounts.filter(**({} if currency is None else {"currency_id": currency})).values_list("id", flat=True))


_SIDES_OF_TRANSFERS = ("transfers_transfer", "source_id = o.id", "target_id = o.id")
_SIDES_OF_HOLDS = ("transfers_hold", "source_merchant_id = o.id", "target_merchant_id = o.id")
_SIDES_OF_HOLDS_BY_STATUS = (
    "transfers_hold",
    "source_merchant_id = o.id AND status = %(status)s",
    "target_merchant_id = o.id AND status = %(status)s",
)


def _newest_of_sides(table: str, *sides: str) -> str:
    """Return the query of the newest ids of some owners, on either side, newest first."""
    parts = " UNION ALL ".join(
        f"(SELECT id FROM {table} WHERE {side} AND id >= %(first)s AND id < %(end)s ORDER BY id DESC LIMIT %(rows)s)" for side in sides
    )
    owners = "unnest(%(owners)s::uuid[]) AS o(id)"
    return f"SELECT DISTINCT p.id FROM {owners} CROSS JOIN LATERAL ({parts}) p ORDER BY p.id DESC LIMIT %(rows)s"


def _among(
    rows: QuerySet[Any], sides: tuple[str, ...], owners: Sequence[UUID], period: Period, depth: int, *, status: str | None = None
) -> tuple[QuerySet[Any], UUID | None]:
    """Return those of some rows that are among the newest ``depth`` of some owners, and the oldest
    one that was looked at if there may be older ones.
    """
    values: dict[str, Any] = {"owners": uuids(owners), "first": period.first_id, "end": period.end_id, "rows": depth, "status": status}
    newest = _newest_of_sides(*sides)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT n.id FROM ({newest}) n OFFSET %(rows)s - 1", values)
        oldest = cursor.fetchone()
    statement, parameters = positional(newest, values)
    # An array: each row is then a look-up, whatever the planner expects of the number of rows.
    among = f'"{rows.model._meta.db_table}".id = ANY(ARRAY({statement}))'
    return rows.extra(where=[among], params=parameters), None if oldest is None else oldest[0]  # noqa: S610 - names of our own


def _window(model: type[Transfer] | type[Hold], driver: dict[str, object], period: Period) -> UUID | None:
    """Return the oldest of the newest rows that are looked at, if there are older ones."""
    newest = model.objects.filter(_in_period(period), **driver).order_by("-id").values_list("id", flat=True)
    beyond = list(newest[LOOKED_AT : LOOKED_AT + 1])
    return next(iter(newest[LOOKED_AT - 1 : LOOKED_AT]), None) if beyond else None
