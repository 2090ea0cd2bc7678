"""The tables of currencies, merchants, and their accounts."""

import re
from typing import Any

from django.db import models
from django.db.models.functions import Collate, Lower, Now
from django.db.models.lookups import Contains, EndsWith, Exact, IRegex, StartsWith

from ledger_project.database.fields import IdField, MinorUnitsField, values
from ledger_project.kernel.money import MAX_BALANCE_MINOR
from merchants.domain import NAME_PATTERN, AccountKind, Status, fold


def folded_name(path: str = "name") -> Lower:
    """Return the SQL of a merchant's name as names are compared: ``domain.fold`` in SQL.

    It folds ASCII letters only, whatever the database's locale.
    """
    return Lower(Collate(path, "C"))


class NameField(models.CharField):  # type: ignore[type-arg]  # Django's takes none at run time
    """A merchant's name. Its look-ups regardless of case compare as ``domain.fold`` does."""

    def deconstruct(self) -> Any:
        """Be a CharField to migrations: the column is one."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs


_IN_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
"""Characters that no PostgreSQL text can have.

Searches have U+FFFD instead, which is in no name.
"""


def _folding(case_sensitive: type[Any]) -> type[Any]:
    """Return a look-up that folds both sides and then compares exactly."""

    class Folding(case_sensitive):  # type: ignore[misc]  # a base class that is a parameter
        prepare_rhs = False

        def __init__(self, lhs: Any, rhs: Any) -> None:
            super().__init__(Lower(Collate(lhs, "C")), _IN_NO_TEXT.sub("\ufffd", fold(str(rhs))))

    return Folding


class _ByAsciiPattern(IRegex):
    """A regular expression cannot be folded.

    The collation C ignores the case of ASCII letters only.
    """

    def __init__(self, lhs: Any, rhs: Any) -> None:
        super().__init__(Collate(lhs, "C"), rhs)


for _name, _exactly in (("iexact", Exact), ("icontains", Contains), ("istartswith", StartsWith), ("iendswith", EndsWith)):
    NameField.register_lookup(_folding(_exactly), _name)
NameField.register_lookup(_ByAsciiPattern, "iregex")


class Currency(models.Model):
    """A unit of account. Its code and exponent never change.

    The first migration installs ISO 4217 and common assets.
    """

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
    """Somebody who holds money.

    The last ten bits of its id are its bucket: its accounts' ids have them too (kernel/ids.py).

    The name never changes; it is unique and found regardless of case. ``display_name`` is for
    people.
    """

    id = IdField()
    name = NameField(max_length=64)
    display_name = models.CharField(max_length=200, null=True, blank=True)
    receipt_email = models.EmailField(null=True, blank=True)
    status = models.CharField(max_length=8, choices=[(s.value, s.value) for s in Status], default=Status.ACTIVE.value)
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        permissions = [("freeze_merchant", "Can freeze, unfreeze and close merchants and accounts")]
        indexes = [models.Index(fields=["status", "id"], name="merchant_status_id", condition=~models.Q(status=Status.ACTIVE.value))]
        constraints = [
            models.UniqueConstraint(folded_name(), name="merchant_name_unique"),
            models.CheckConstraint(condition=models.Q(name__regex=f"^{NAME_PATTERN}$"), name="merchant_name_format"),
            models.CheckConstraint(condition=models.Q(status__in=values(Status)), name="merchant_status_known"),
            models.CheckConstraint(condition=~models.Q(display_name=""), name="merchant_display_name_not_empty"),
        ]

    def __str__(self) -> str:
        return str(self.name)


class Account(models.Model):
    """Where money is: one for each merchant, currency and kind.

    Its balance is the ``balance_after`` of its newest ledger entry.

    ``overdraft_limit_minor`` is how far below zero a wallet may go. Accounts are closed, never
    deleted.
    """

    id = IdField()
    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="accounts", db_index=False)
    currency = models.ForeignKey(Currency, on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=8, choices=[(k.value, k.value) for k in AccountKind])
    status = models.CharField(max_length=8, choices=[(s.value, s.value) for s in Status], default=Status.ACTIVE.value)
    overdraft_limit_minor = MinorUnitsField(default=0)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        permissions = [("set_overdraft", "Can set overdraft limits")]
        constraints = [
            models.UniqueConstraint(fields=["merchant", "currency", "kind"], name="account_merchant_currency_kind_unique"),
            models.CheckConstraint(condition=models.Q(kind__in=values(AccountKind)), name="account_kind_known"),
            models.CheckConstraint(condition=models.Q(status__in=values(Status)), name="account_status_known"),
            models.CheckConstraint(
                condition=models.Q(overdraft_limit_minor=0) | models.Q(overdraft_limit_minor__gt=0, kind=AccountKind.WALLET.value),
                name="account_overdraft_of_wallets",
            ),
            # NUMERIC's 'NaN' is above every number.
            models.CheckConstraint(condition=models.Q(overdraft_limit_minor__lte=MAX_BALANCE_MINOR), name="account_overdraft_bounded"),
        ]

    def __str__(self) -> str:
        # The name only if it was read with the account: a text must not cost a query.
        owner = self.merchant.name if Account.merchant.is_cached(self) else self.merchant_id
        return f"{owner} {self.currency_id} {self.kind}"
