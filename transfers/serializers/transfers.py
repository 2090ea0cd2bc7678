"""Bodies and queries of the transfer calls (validated by these), and how their answers are described in the schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework import serializers

from ledger_project.http.cursors import PageQuery
from ledger_project.http.fields import (
    Enumeration,
    MetadataField,
    ReasonField,
    StrictBoolean,
    StrictInteger,
    StrictString,
    StrictUUID,
    Timestamp,
)
from ledger_project.http.schema import IDEMPOTENCY_KEY
from ledger_project.kernel.money import MAJOR_UNITS, MAX_AMOUNT_MINOR
from transfers.domain.kinds import TransferKind

MAX_BATCH = 1000
MAX_HOLD_S = 31_536_000
DEFAULT_HOLD_S = 604_800


_AMOUNTS = {
    "amount": {"pattern": MAJOR_UNITS},
    "amount_minor": {"minimum": 1, "maximum": MAX_AMOUNT_MINOR},
}
_ONE_AMOUNT = {"oneOf": [{"required": ["amount"]}, {"required": ["amount_minor"]}]}
_PERHAPS_ONE_AMOUNT = {"properties": _AMOUNTS, "not": {"required": ["amount", "amount_minor"]}}
_NAMED = ["from_merchant", "to_merchant"]
_BY_ID = ["source_account_id", "dest_account_id"]


def _none_of(names: list[str]) -> dict[str, Any]:
    return {"not": {"anyOf": [{"required": [name]} for name in names]}}


_NAMES = {"required": [*_NAMED, "currency"], **_none_of(_BY_ID)}
_ACCOUNTS = {"required": _BY_ID, **_none_of(_NAMED)}


class AmountBody(serializers.Serializer[Any]):
    """An amount: exactly one of the two spellings."""

    schema_rules: ClassVar[Mapping[str, Any]] = {"properties": _AMOUNTS, **_ONE_AMOUNT}

    amount = StrictString(required=False, max_length=80, help_text='Major units as a decimal string: `"12.34"`.')
    amount_minor = StrictInteger(required=False, help_text="Minor units as an integer: `1234`.")


class DetailsBody(AmountBody):
    """An amount and what is written beside it."""

    memo = StrictString(required=False, allow_null=True, allow_blank=True, max_length=500, default=None)
    metadata = MetadataField(required=False, default=dict)


class MovementBody(DetailsBody):
    """A deposit or withdrawal."""

    external_reference = StrictString(required=False, allow_null=True, max_length=255, default=None)


class TransferBody(MovementBody):
    """A transfer: two merchants and a currency, or two accounts."""

    schema_rules = {"properties": _AMOUNTS, "allOf": [_ONE_AMOUNT, {"oneOf": [_NAMES, _ACCOUNTS]}]}

    from_merchant = StrictString(required=False, max_length=255)
    to_merchant = StrictString(required=False, max_length=255)
    currency = StrictString(required=False, max_length=32)
    source_account_id = StrictUUID(required=False)
    dest_account_id = StrictUUID(required=False)


class BatchItemBody(TransferBody):
    """One transfer of a batch."""

    schema_rules = {**TransferBody.schema_rules, "properties": {**_AMOUNTS, "idempotency_key": {"pattern": IDEMPOTENCY_KEY}}}

    idempotency_key = StrictString(allow_blank=True, max_length=1000)


class BatchBody(serializers.Serializer[Any]):
    """Up to 1,000 transfers. The items are validated one by one, so that an invalid one fails alone."""

    transfers = serializers.ListField(child=serializers.JSONField(allow_null=True), min_length=1, max_length=MAX_BATCH)
    atomic = StrictBoolean(required=False, default=False)


class BatchSchemaBody(serializers.Serializer[Any]):
    """A batch as the schema shows it."""

    schema_rules: ClassVar[Mapping[str, Any]] = {"properties": {"transfers": {"minItems": 1, "maxItems": MAX_BATCH}}}

    transfers = BatchItemBody(many=True)
    atomic = StrictBoolean(required=False, default=False, help_text="All or nothing.")


class ReverseBody(AmountBody):
    """How much of a transfer goes back."""

    schema_rules = _PERHAPS_ONE_AMOUNT

    refund_fee = StrictBoolean(required=False, default=False)
    memo = StrictString(required=False, allow_null=True, allow_blank=True, max_length=500, default=None)


class HoldBody(DetailsBody):
    """Money to be reserved."""

    from_merchant = StrictString(max_length=255)
    to_merchant = StrictString(max_length=255)
    currency = StrictString(max_length=32)
    expires_in = StrictInteger(required=False, min_value=1, max_value=MAX_HOLD_S, default=DEFAULT_HOLD_S)


class CaptureBody(DetailsBody):
    """How much of a hold is captured, and what is written beside it."""

    schema_rules = _PERHAPS_ONE_AMOUNT


class VoidBody(serializers.Serializer[Any]):
    """What is written beside the money that comes back."""

    memo = StrictString(required=False, allow_null=True, allow_blank=True, max_length=500, default=None)


class ReasonBody(serializers.Serializer[Any]):
    """Why."""

    reason = ReasonField(help_text="Kept with the change, for good.")


class OverdraftBody(ReasonBody):
    """How far below zero a wallet may go: exactly one of the two spellings."""

    schema_rules: ClassVar[Mapping[str, Any]] = {
        "properties": {"overdraft_limit": {"pattern": MAJOR_UNITS}, "overdraft_limit_minor": {"minimum": 0, "maximum": MAX_AMOUNT_MINOR}},
        "oneOf": [{"required": ["overdraft_limit"]}, {"required": ["overdraft_limit_minor"]}],
    }

    overdraft_limit = StrictString(required=False, max_length=80, help_text="Major units as a decimal string; zero is none.")
    overdraft_limit_minor = StrictInteger(required=False, help_text="Minor units as an integer.")


class TransferQuery(PageQuery):
    """Filters of the list of transfers; they combine."""

    to = StrictString(required=False, allow_blank=True)
    merchant = StrictString(required=False, allow_blank=True, help_text="On either side.")
    account_id = StrictUUID(required=False, help_text="On either side.")
    currency = StrictString(required=False, allow_blank=True)
    kind = Enumeration([kind.value for kind in TransferKind], required=False)
    external_reference = StrictString(required=False, allow_blank=True)
    payment_id = StrictUUID(required=False, help_text="The payment that a transfer is a part of.")
    exchange_id = StrictUUID(required=False, help_text="The exchange that a transfer is a part of.")
    created_from = Timestamp(required=False, help_text="First moment that counts.")
    created_to = Timestamp(required=False, help_text="First moment that counts no more.")


TransferQuery._declared_fields["from"] = StrictString(required=False, allow_blank=True)


class HoldQuery(PageQuery):
    """Filters of the list of holds."""

    merchant = StrictString(required=False, allow_blank=True, help_text="Holds that this merchant pays or is to receive.")
    status = Enumeration(["open", "captured", "voided", "expired"], required=False)


# --- answers, for the schema ------------------------------------------------------------------------------------------------


class ScheduleJson(serializers.Serializer[Any]):
    """Which version of which fee schedule."""

    id = serializers.UUIDField()
    version = serializers.IntegerField()


class EntryJson(serializers.Serializer[Any]):
    """One line of an account."""

    id = serializers.UUIDField()
    account_id = serializers.UUIDField()
    account_kind = serializers.ChoiceField(choices=["wallet", "held", "fees", "external"], required=False)
    transfer_id = serializers.UUIDField()
    sequence = serializers.IntegerField()
    direction = serializers.ChoiceField(choices=["DEBIT", "CREDIT"])
    type = serializers.CharField()
    amount = serializers.CharField()
    amount_minor = serializers.IntegerField(max_value=MAX_AMOUNT_MINOR)
    balance_after = serializers.CharField()
    balance_after_minor = serializers.IntegerField()
    currency = serializers.CharField()
    counterparty = serializers.CharField(allow_null=True)
    memo = serializers.CharField(allow_null=True)
    external_reference = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class TransferJson(serializers.Serializer[Any]):
    """A transfer."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    status = serializers.ChoiceField(choices=["posted"])
    from_merchant = serializers.CharField(allow_null=True)
    to_merchant = serializers.CharField(allow_null=True)
    currency = serializers.CharField()
    amount = serializers.CharField()
    amount_minor = serializers.IntegerField()
    fee = serializers.CharField()
    fee_minor = serializers.IntegerField()
    total_debit = serializers.CharField()
    total_debit_minor = serializers.IntegerField()
    fee_schedule = ScheduleJson(allow_null=True)
    reverses = serializers.UUIDField(allow_null=True)
    payment_id = serializers.UUIDField(allow_null=True)
    exchange_id = serializers.UUIDField(allow_null=True)
    external_reference = serializers.CharField(allow_null=True)
    memo = serializers.CharField(allow_null=True)
    metadata = serializers.DictField()
    created_at = serializers.DateTimeField()


class TransferDetailJson(TransferJson):
    """A transfer with its entries."""

    entries = EntryJson(many=True)


class TransferPageJson(serializers.Serializer[Any]):
    """A page of transfers."""

    items = TransferJson(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class QuoteJson(serializers.Serializer[Any]):
    """What a transfer would cost."""

    currency = serializers.CharField()
    amount = serializers.CharField()
    amount_minor = serializers.IntegerField()
    fee = serializers.CharField()
    fee_minor = serializers.IntegerField()
    total_debit = serializers.CharField()
    total_debit_minor = serializers.IntegerField()
    receiver_gets = serializers.CharField()
    receiver_gets_minor = serializers.IntegerField()
    fee_schedule = ScheduleJson()


class AccountJson(serializers.Serializer[Any]):
    """A wallet."""

    id = serializers.UUIDField()
    merchant_name = serializers.CharField()
    currency = serializers.CharField()
    status = serializers.ChoiceField(choices=["active", "frozen", "closed"])
    balance = serializers.CharField()
    balance_minor = serializers.IntegerField()
    available = serializers.CharField()
    available_minor = serializers.IntegerField()
    held = serializers.CharField()
    held_minor = serializers.IntegerField()
    overdraft_limit = serializers.CharField(help_text="How far below zero it may go; `available` does not contain it.")
    overdraft_limit_minor = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class MovementJson(serializers.Serializer[Any]):
    """A deposit or withdrawal, and the account after it."""

    account = AccountJson()
    transfer = TransferJson()


class HoldJson(serializers.Serializer[Any]):
    """A hold."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=["open", "captured", "voided", "expired"])
    from_merchant = serializers.CharField()
    to_merchant = serializers.CharField()
    currency = serializers.CharField()
    amount = serializers.CharField()
    amount_minor = serializers.IntegerField()
    reserved = serializers.CharField()
    reserved_minor = serializers.IntegerField()
    captured = serializers.CharField()
    captured_minor = serializers.IntegerField()
    expires_at = serializers.DateTimeField()
    transfer_id = serializers.UUIDField(allow_null=True)
    memo = serializers.CharField(allow_null=True)
    metadata = serializers.DictField()
    created_at = serializers.DateTimeField()


class HoldPageJson(serializers.Serializer[Any]):
    """A page of holds."""

    items = HoldJson(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class BatchResultJson(serializers.Serializer[Any]):
    """What became of one item."""

    status = serializers.IntegerField()
    transfer = TransferJson(required=False)
    error = serializers.DictField(required=False)


class BatchJson(serializers.Serializer[Any]):
    """What became of each item, in order."""

    results = BatchResultJson(many=True)


class StatementJson(serializers.Serializer[Any]):
    """A page of an account's entries, newest first; with a period also what it opened and closed with."""

    items = EntryJson(many=True)
    next_cursor = serializers.CharField(allow_null=True)
    opening_balance = serializers.CharField(required=False)
    opening_balance_minor = serializers.IntegerField(required=False)
    closing_balance = serializers.CharField(required=False)
    closing_balance_minor = serializers.IntegerField(required=False)
