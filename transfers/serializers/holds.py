"""Holds: bodies, queries and answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from ledger_project.http.cursors import PageQuery
from ledger_project.http.fields import Enumeration, StrictInteger, StrictString
from ledger_project.http.members import Json, Members, amount_members, answered_amount, stored_timestamp, timestamp
from ledger_project.kernel.exact_json import rewritten, text_or_null
from ledger_project.kernel.money import CurrencyUnit, format_minor_text
from merchants.selectors import Party
from transfers.domain.facts import HoldState
from transfers.selectors.holds import HoldPage, HoldRow
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


def hold_texts(page: HoldPage) -> list[str]:
    """Return holds that were read, each as JSON with the members of ``hold_json``."""
    return [hold_text(row, page.parties, page.units) for row in page.rows]


def hold_text(row: HoldRow, parties: Mapping[str, Party], units: Mapping[str, CurrencyUnit]) -> str:
    """Return a hold that was read, as JSON with the members of ``hold_json``."""
    id_, status, source_id, target_id, code, amount, reserved, captured, expires_at, capture_id, memo, metadata, at = row
    exponent = units[code].exponent
    return (
        f'{{"id":"{id_}","status":"{status}","from_merchant":{text_or_null(parties[source_id].name)},'
        f'"to_merchant":{text_or_null(parties[target_id].name)},"currency":"{code}",'
        f'"amount":"{format_minor_text(amount, exponent)}","amount_minor":{amount},'
        f'"reserved":"{format_minor_text(reserved, exponent)}","reserved_minor":{reserved},'
        f'"captured":"{format_minor_text(captured, exponent)}","captured_minor":{captured},'
        f'"expires_at":"{stored_timestamp(expires_at)}","transfer_id":{text_or_null(capture_id)},'
        f'"memo":{text_or_null(memo)},"metadata":{rewritten(metadata)},"created_at":"{stored_timestamp(at)}"}}'
    )
