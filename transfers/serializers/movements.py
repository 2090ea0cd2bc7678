"""What the bodies of all movements of money have: an amount, and what is written beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework import serializers

from ledger_project.http.fields import MetadataField, StrictInteger, StrictString
from ledger_project.kernel.money import MAJOR_UNITS, MAX_AMOUNT_MINOR

AMOUNT_RULES = {
    "amount": {"pattern": MAJOR_UNITS},
    "amount_minor": {"minimum": 1, "maximum": MAX_AMOUNT_MINOR},
}
ONE_AMOUNT = {"oneOf": [{"required": ["amount"]}, {"required": ["amount_minor"]}]}
PERHAPS_ONE_AMOUNT = {"properties": AMOUNT_RULES, "not": {"required": ["amount", "amount_minor"]}}


class AmountBody(serializers.Serializer[Any]):
    """An amount: exactly one of the two spellings."""

    schema_rules: ClassVar[Mapping[str, Any]] = {"properties": AMOUNT_RULES, **ONE_AMOUNT}

    amount = StrictString(required=False, max_length=80, help_text='Major units as a decimal string: `"12.34"`.')
    amount_minor = StrictInteger(required=False, help_text="Minor units as an integer: `1234`.")


class DetailsBody(AmountBody):
    """An amount and what is written beside it."""

    memo = StrictString(required=False, allow_null=True, allow_blank=True, max_length=500, default=None)
    metadata = MetadataField(required=False, default=dict)


class MovementBody(DetailsBody):
    """A deposit or withdrawal."""

    external_reference = StrictString(required=False, allow_null=True, max_length=255, default=None)
