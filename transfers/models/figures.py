"""The daily figures: sums of each day's entries, which ``transfers/figures/refresh.py`` adds up.

These rows are copies. The journal stays the only truth: the figures can be thrown away and made
again from it, and reconciliation compares them with it. No currency is ever summed with another; a
day is a day in UTC.
"""

from __future__ import annotations

from typing import Any

from django.db import models

from merchants.domain import AccountKind
from transfers.domain.kinds import TransferKind

_WIDTH = 60


def _bounded(table: str, *columns: str) -> models.CheckConstraint:
    """Return the rule that keeps 'NaN', which is above every number, out of a table's sums."""
    return models.CheckConstraint(condition=models.Q(**{f"{column}__lte": 10**_WIDTH - 1 for column in columns}), name=f"{table}_bounded")


def _total(**options: Any) -> models.DecimalField[Any, Any]:
    """Return a column for a sum of amounts in minor units, so wide that no sum overflows."""
    return models.DecimalField(max_digits=_WIDTH, decimal_places=0, **options)


class FiguresMark(models.Model):
    """How far the figures go: they have all transfers before ``rolled_until`` and no later ones.

    There is one row. Who writes figures holds its lock.
    """

    id = models.PositiveSmallIntegerField(primary_key=True)
    rolled_until = models.DateTimeField()
    refreshed_at = models.DateTimeField()

    class Meta:
        db_table = "transfers_rollupmark"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="rollup_mark_single")]

    def __str__(self) -> str:
        return f"figures until {self.rolled_until}"


class DailyActivity(models.Model):
    """What was posted in one currency on one day, by kind.

    Fees are those that these transfers' entries charge and give back.
    """

    pk = models.CompositePrimaryKey("currency", "day", "kind")
    currency = models.CharField(max_length=12)
    day = models.DateField()
    kind = models.CharField(max_length=16, choices=[(k.value, k.value) for k in TransferKind])
    transfers = models.BigIntegerField()
    volume_minor = _total()
    fees_minor = _total()
    fee_refunds_minor = _total()

    class Meta:
        verbose_name_plural = "daily activity"
        constraints = [_bounded("daily_activity", "volume_minor", "fees_minor", "fee_refunds_minor")]

    def __str__(self) -> str:
        return f"{self.day} {self.currency} {self.kind}"


class DailyValue(models.Model):
    """By how much the money in accounts of one kind changed on one day, and by how many entries.

    The sum over all days is what there is.
    """

    pk = models.CompositePrimaryKey("currency", "day", "account_kind")
    currency = models.CharField(max_length=12)
    day = models.DateField()
    account_kind = models.CharField(max_length=8, choices=[(k.value, k.value) for k in AccountKind])
    entries = models.BigIntegerField()
    change_minor = _total()

    class Meta:
        constraints = [_bounded("daily_value", "change_minor")]

    def __str__(self) -> str:
        return f"{self.day} {self.currency} {self.account_kind}"


class DailyMerchant(models.Model):
    """What one merchant's wallet sent and received on one day.

    Money that is put aside for a hold, or given back from it, is neither.
    """

    pk = models.CompositePrimaryKey("currency", "day", "merchant_id")
    currency = models.CharField(max_length=12)
    day = models.DateField()
    merchant_id = models.UUIDField()
    entries = models.BigIntegerField()
    sent_minor = _total()
    received_minor = _total()

    class Meta:
        constraints = [_bounded("daily_merchant", "sent_minor", "received_minor")]

    def __str__(self) -> str:
        return f"{self.day} {self.currency} {self.merchant_id}"


class DailyRefusals(models.Model):
    """How often postings were refused on one day, by code.

    ``currency`` is empty if a request named none that exists.
    """

    pk = models.CompositePrimaryKey("currency", "day", "code")
    currency = models.CharField(max_length=12, blank=True)
    day = models.DateField()
    code = models.CharField(max_length=64)
    refusals = models.BigIntegerField()

    class Meta:
        verbose_name_plural = "daily refusals"

    def __str__(self) -> str:
        return f"{self.day} {self.currency} {self.code}"


class RefusalTally(models.Model):
    """Refusals of one posting transaction, which a refresh soon adds to the day's.

    Each transaction writes a row of its own: workers that update one counter would wait for each
    other.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    currency = models.CharField(max_length=12, blank=True)
    code = models.CharField(max_length=64)
    refusals = models.PositiveIntegerField()
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.code} × {self.refusals}"
