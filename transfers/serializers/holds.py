"""Holds: bodies, queries and answers."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from ledger_project.http.cursors import PageQuery
from ledger_project.http.fields import Enumeration, StrictInteger, StrictString
from ledger_project.http.members import Json, Members, amount_members, answered_amount, timestamp
from transfers.domain.facts import HoldState
from transfers.serializers.movements import PERHAPS_ONE_AMOUNT, DetailsBody

MAX_HOLD_S = 31_536_000
DEFAULT_HOLD_S = 604_800


class HoldBody(DetailsBody):
    """Money to be reserved."""

    from_merchant = StrictString(max_length=255)
    to_merchant = StrictString(max_length=255)
    currency = StrictString(max_length=32)
    expires_in = StrictInteger(required=False, min_value=1, max_value=MAX_HOLD_S, default=DEFAULT_HOLD_S)


class CaptureBody(DetailsBody):
    """How much of a hold is captured, and what is written beside it."""

    schema_rules = PERHAPS_ONE_AMOUNT


class VoidBody(serializers.Serializer[Any]):
    """What is written beside the money that comes back."""

    memo = StrictString(required=False, allow_null=True, allow_blank=True, max_length=500, default=None)


class HoldQuery(PageQuery):
    """Filters of the list of holds."""

    merchant = StrictString(required=False, allow_blank=True, help_text="Holds that this merchant pays or is to receive.")
    status = Enumeration(["open", "captured", "voided", "expired"], required=False)


class HoldJson(Members):
    """A hold."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=["open", "captured", "voided", "expired"])
    from_merchant = serializers.CharField()
    to_merchant = serializers.CharField()
    currency = serializers.CharField()
    amount = answered_amount()
    reserved = answered_amount()
    captured = answered_amount()
    expires_at = serializers.DateTimeField()
    transfer_id = serializers.UUIDField(allow_null=True)
    memo = serializers.CharField(allow_null=True)
    metadata = serializers.DictField()
    created_at = serializers.DateTimeField()


class HoldPageJson(serializers.Serializer[Any]):
    """A page of holds."""

    items = HoldJson(many=True)
    next_cursor = serializers.CharField(allow_null=True)


def hold_json(hold: HoldState) -> Json:
    """Return a hold."""
    terms = hold.terms
    return {
        "id": str(terms.id),
        "status": hold.status.value,
        "from_merchant": terms.source.name,
        "to_merchant": terms.target.name,
        "currency": terms.currency.code,
        **amount_members("amount", terms.amount_minor, terms.currency),
        **amount_members("reserved", terms.reserved_minor, terms.currency),
        **amount_members("captured", hold.captured_minor, terms.currency),
        "expires_at": timestamp(terms.expires_at),
        "transfer_id": None if hold.transfer_id is None else str(hold.transfer_id),
        "memo": terms.memo,
        "metadata": terms.metadata,
        "created_at": timestamp(terms.created_at),
    }
