"""Fee schedules: versions that are appended and never edited."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from fees.domain import EARLIEST, LATEST, MAX_PART_MINOR, Payer, Rounding, TierMode
from ledger_project.database.fields import IdField, MinorUnitsField, values
from merchants.models import Currency, Merchant

SCOPE_VERSION_UNIQUE = "fee_schedule_scope_version_unique"


class FeeSchedule(models.Model):
    """One version of what a movement costs, for one scope.

    A scope is a merchant, a currency and a kind; each may be empty, which is all of them.

    Flat amounts, minimum, maximum and tiers are money in minor units, so they need a currency.
    Versions count 1, 2, 3 within a scope and come into force one after the other. The database
    refuses every change of a row.
    """

    id = IdField()
    version = models.PositiveIntegerField(editable=False)
    merchant = models.ForeignKey(Merchant, models.PROTECT, null=True, blank=True, related_name="fee_schedules", db_index=False)
    currency = models.ForeignKey(Currency, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    kind = models.CharField(
        max_length=16,
        null=True,
        blank=True,
        choices=[("transfer", "transfer"), ("capture", "capture")],
    )
    rate = models.DecimalField(max_digits=11, decimal_places=10, default=0, help_text="Share of the amount: 0.01 is 1%.")
    flat_minor = MinorUnitsField(default=0, help_text="Minor units.")
    minimum_minor = MinorUnitsField(null=True, blank=True, help_text="Minor units.")
    maximum_minor = MinorUnitsField(null=True, blank=True, help_text="Minor units.")
    tier_mode = models.CharField(
        max_length=16,
        null=True,
        blank=True,
        choices=[(mode.value, mode.value) for mode in TierMode],
    )
    tiers = models.JSONField(
        default=list, blank=True, help_text='[{"up_to_minor": 10000, "rate": "0.02", "flat_minor": 0}, {"up_to_minor": null, …}]'
    )
    rounding = models.CharField(max_length=16, choices=[(mode.value, mode.value) for mode in Rounding], default=Rounding.HALF_EVEN.value)
    payer = models.CharField(max_length=8, choices=[(payer.value, payer.value) for payer in Payer], default=Payer.SENDER.value)
    effective_from = models.DateTimeField(help_text="In force from this moment until the next version of the scope is.")
    note = models.TextField(help_text="Why.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-effective_from", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["merchant", "currency", "kind", "version"], name=SCOPE_VERSION_UNIQUE, nulls_distinct=False),
            models.CheckConstraint(condition=Q(rate__gte=0, rate__lte=1), name="fee_schedule_rate_range"),
            models.CheckConstraint(
                condition=Q(currency__isnull=False)
                | Q(flat_minor=0, minimum_minor__isnull=True, maximum_minor__isnull=True, tier_mode__isnull=True),
                name="fee_schedule_money_needs_currency",
            ),
            models.CheckConstraint(
                condition=Q(flat_minor__gte=0)
                & (Q(minimum_minor__isnull=True) | Q(minimum_minor__gte=0))
                & (Q(maximum_minor__isnull=True) | Q(maximum_minor__gte=0)),
                name="fee_schedule_money_not_negative",
            ),
            # NUMERIC's NaN sorts above every number, so an upper bound keeps it out, too.
            models.CheckConstraint(
                condition=Q(flat_minor__lte=MAX_PART_MINOR)
                & (Q(minimum_minor__isnull=True) | Q(minimum_minor__lte=MAX_PART_MINOR))
                & (Q(maximum_minor__isnull=True) | Q(maximum_minor__lte=MAX_PART_MINOR)),
                name="fee_schedule_money_bounded",
            ),
            models.CheckConstraint(
                condition=Q(effective_from__gte=EARLIEST, effective_from__lt=LATEST), name="fee_schedule_effective_from_range"
            ),
            models.CheckConstraint(
                condition=Q(minimum_minor__isnull=True) | Q(maximum_minor__isnull=True) | Q(minimum_minor__lte=F("maximum_minor")),
                name="fee_schedule_minimum_below_maximum",
            ),
            models.CheckConstraint(
                condition=Q(tier_mode__isnull=True, tiers=[]) | (Q(tier_mode__in=values(TierMode)) & ~Q(tiers=[])),
                name="fee_schedule_tiers_have_mode",
            ),
            models.CheckConstraint(condition=Q(rounding__in=values(Rounding)), name="fee_schedule_rounding_known"),
            models.CheckConstraint(condition=Q(payer__in=values(Payer)), name="fee_schedule_payer_known"),
            models.CheckConstraint(condition=Q(kind__isnull=True) | Q(kind__in=["transfer", "capture"]), name="fee_schedule_kind_known"),
        ]
        indexes = [models.Index(fields=["merchant", "currency", "kind", "-effective_from"], name="fee_schedule_lookup")]

    def __str__(self) -> str:
        return f"{self.scope} v{self.version}"

    @property
    def scope(self) -> str:
        """The movements that it is for, in words."""
        parts = [str(part) for part in (self.merchant, self.currency_id, self.kind) if part]
        return ", ".join(parts) or "everyone"
