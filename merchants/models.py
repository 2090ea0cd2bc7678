"""Who holds money: currencies, merchants, and their accounts."""

import uuid

import uuid_utils
from django.db import models
from django.db.models.functions import Lower, Now

from ledger_project.minor_units import MinorUnitsField
from merchants.domain import AccountKind, Status


def new_id() -> uuid.UUID:
    """Return a UUIDv7 for a row that callers will see."""
    return uuid.UUID(int=uuid_utils.uuid7().int)


class Currency(models.Model):
    """A unit of account. Codes and exponents never change once used; the first migration installs ISO 4217 and common assets."""

    code = models.CharField(primary_key=True, max_length=12)
    exponent = models.PositiveSmallIntegerField(help_text="Decimals of one major unit: USD 2, JPY 0, BTC 8.")
    name = models.CharField(max_length=100)
    is_active = models.BooleanField(default=True, help_text="New accounts and transfers may use it.")

    class Meta:
        ordering = ["code"]
        verbose_name_plural = "currencies"
        constraints = [
            models.CheckConstraint(condition=models.Q(code__regex=r"^[A-Z][A-Z0-9]{1,11}$"), name="currency_code_format"),
            models.CheckConstraint(condition=models.Q(exponent__lte=30), name="currency_exponent_range"),
        ]

    def __str__(self) -> str:
        return self.code


class Merchant(models.Model):
    """Somebody who holds money. The name never changes; it is unique and found regardless of case."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=64)
    status = models.CharField(max_length=8, choices=[(s.value, s.value) for s in Status], default=Status.ACTIVE.value)
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        permissions = [("freeze_merchant", "Can freeze, unfreeze and close merchants and accounts")]
        constraints = [
            models.UniqueConstraint(Lower("name"), name="merchant_name_unique"),
            models.CheckConstraint(condition=models.Q(name__regex=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"), name="merchant_name_format"),
            models.CheckConstraint(condition=models.Q(status__in=list(Status)), name="merchant_status_known"),
        ]

    def __str__(self) -> str:
        return self.name


class Account(models.Model):
    """Where money is: one for each merchant, currency and kind. Its balance is the ``balance_after`` of its last ledger entry.

    ``overdraft_limit_minor`` is in minor units: how far below zero a wallet may go. Accounts are never deleted, they are closed.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="accounts", db_index=False)
    currency = models.ForeignKey(Currency, on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=8, choices=[(k.value, k.value) for k in AccountKind])
    status = models.CharField(max_length=8, choices=[(s.value, s.value) for s in Status], default=Status.ACTIVE.value)
    overdraft_limit_minor = MinorUnitsField(default=0)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["merchant", "currency", "kind"], name="account_merchant_currency_kind_unique"),
            models.CheckConstraint(condition=models.Q(kind__in=list(AccountKind)), name="account_kind_known"),
            models.CheckConstraint(condition=models.Q(status__in=list(Status)), name="account_status_known"),
            models.CheckConstraint(
                condition=models.Q(overdraft_limit_minor=0) | models.Q(overdraft_limit_minor__gt=0, kind=AccountKind.WALLET.value),
                name="account_overdraft_of_wallets",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.merchant_id} {self.currency_id} {self.kind}"
