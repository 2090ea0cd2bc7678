"""Holds: money that is promised.

The payer's held account has what is reserved; this row is what was agreed.
"""

from django.db import models
from django.db.models import F, Func, Q

from fees.models import FeeSchedule
from ledger_project.database.fields import MinorUnitsField, values
from ledger_project.kernel.money import MAX_BALANCE_MINOR
from merchants.models import Account, Currency
from transfers.domain.hold_outcomes import HoldPhase, HoldStatus


class Hold(models.Model):
    """A reservation of an amount and of the fee that its capture costs.

    Only ``status``, ``captured_minor`` and ``capture`` change, once, from open to one of the ends.
    The database refuses every other change.
    """

    # Columns of eight bytes come first, then ids, then those of any length: so nothing is padded.
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    id = models.UUIDField(primary_key=True, editable=False)
    source = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False)
    source_merchant = models.ForeignKey("merchants.Merchant", models.PROTECT, related_name="+", db_index=False)
    target_merchant = models.ForeignKey("merchants.Merchant", models.PROTECT, related_name="+", db_index=False)
    fee_schedule = models.ForeignKey(FeeSchedule, models.PROTECT, related_name="+", db_index=False)
    capture = models.ForeignKey("Transfer", models.PROTECT, null=True, related_name="+", db_constraint=False, db_index=False)
    currency = models.ForeignKey(Currency, models.PROTECT, related_name="+", db_index=False)
    status = models.CharField(max_length=8, choices=[(s.value, s.value) for s in HoldStatus])
    amount_minor = MinorUnitsField()
    reserved_minor = MinorUnitsField()
    captured_minor = MinorUnitsField(default=0)
    memo = models.CharField(max_length=500, null=True)
    metadata = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]
        permissions = [("void_hold", "Can void holds"), ("capture_hold", "Can capture holds")]
        indexes = [
            models.Index(fields=["source_merchant", "id"], name="hold_source_merchant_id"),
            models.Index(fields=["target_merchant", "id"], name="hold_target_merchant_id"),
            models.Index(fields=["source_merchant", "status", "id"], name="hold_source_status_id"),
            models.Index(fields=["target_merchant", "status", "id"], name="hold_target_status_id"),
            models.Index(fields=["status", "id"], name="hold_status_id"),
            models.Index(fields=["expires_at"], name="hold_open_expiry", condition=Q(status=HoldStatus.OPEN.value)),
            # Says how many are open in a currency and what they reserve, without the table.
            models.Index(
                fields=["currency"], include=["reserved_minor"], name="hold_open_currency", condition=Q(status=HoldStatus.OPEN.value)
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="hold_amount_positive"),
            # Upper bounds: NUMERIC's 'NaN' is above every number. The amount bounds what is
            # captured.
            models.CheckConstraint(
                condition=Q(amount_minor__lte=MAX_BALANCE_MINOR, reserved_minor__lte=MAX_BALANCE_MINOR), name="hold_amounts_bounded"
            ),
            models.CheckConstraint(condition=Q(reserved_minor__gte=F("amount_minor")), name="hold_reserves_amount"),
            models.CheckConstraint(
                condition=Q(captured_minor__gte=0, captured_minor__lte=F("amount_minor")), name="hold_captured_within_amount"
            ),
            models.CheckConstraint(condition=Q(status__in=values(HoldStatus)), name="hold_status_known"),
            models.CheckConstraint(
                condition=Q(status=HoldStatus.CAPTURED.value, captured_minor__gt=0, capture__isnull=False)
                | (~Q(status=HoldStatus.CAPTURED.value) & Q(captured_minor=0, capture__isnull=True)),
                name="hold_captured_has_transfer",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


def phase_condition(phase: HoldPhase, hold: str) -> str:
    """Return the SQL of ``phase_of``: the condition that a hold is in a phase now."""
    match phase:
        case HoldPhase.OPEN:
            return f"{hold}.status = 'open' AND {hold}.expires_at > statement_timestamp()"
        case HoldPhase.LAPSED:
            return f"{hold}.status = 'open' AND {hold}.expires_at <= statement_timestamp()"
        case _:
            return f"{hold}.status = '{phase.value}'"


def in_phase(phase: HoldPhase) -> Func:
    """Return the same condition for a queryset of holds."""
    return Func(template=f"({phase_condition(phase, Hold._meta.db_table)})", output_field=models.BooleanField())
