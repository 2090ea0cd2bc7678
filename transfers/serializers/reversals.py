"""Reversals: their body."""

from __future__ import annotations

from ledger_project.http.fields import StrictBoolean, StrictString
from transfers.serializers.movements import PERHAPS_ONE_AMOUNT, AmountBody


class ReverseBody(AmountBody):
    """How much of a transfer goes back."""

    schema_rules = PERHAPS_ONE_AMOUNT

    refund_fee = StrictBoolean(required=False, default=False)
    memo = StrictString(required=False, allow_null=True, allow_blank=True, max_length=500, default=None)
