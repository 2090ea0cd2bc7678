"""Movements of money: what all their bodies have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ledger_project.http.fields import MetadataField, StrictString
from ledger_project.http.members import Members, amount_rules, at_most_one, exactly_one, requested_amount

AMOUNT_RULES = amount_rules("amount", min_minor=1)
ONE_AMOUNT = exactly_one("amount")
PERHAPS_ONE_AMOUNT = {"properties": AMOUNT_RULES, **at_most_one("amount")}


class AmountBody(Members):
    """An amount: exactly one of the two spellings."""

    schema_rules: ClassVar[Mapping[str, Any]] = {"properties": AMOUNT_RULES, **ONE_AMOUNT}

    amount = requested_amount(help_text='Major units as a decimal string: `"12.34"`.', help_text_minor="Minor units as an integer: `1234`.")


class DetailsBody(AmountBody):
    """An amount and what is written beside it."""

    memo = StrictString(required=False, allow_null=True, allow_blank=True, max_length=500, default=None)
    metadata = MetadataField(required=False, default=dict)


class MovementBody(DetailsBody):
    """A deposit or withdrawal."""

    external_reference = StrictString(required=False, allow_null=True, max_length=255, default=None)
