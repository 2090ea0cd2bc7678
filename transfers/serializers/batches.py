"""Batches: bodies and answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework import serializers

from ledger_project.http.fields import StrictBoolean, StrictString
from ledger_project.http.schema import IDEMPOTENCY_KEY
from transfers.serializers.movements import AMOUNT_RULES
from transfers.serializers.transfers import TransferBody, TransferJson

MAX_BATCH = 1000


class BatchItemBody(TransferBody):
    """One transfer of a batch."""

    schema_rules = {**TransferBody.schema_rules, "properties": {**AMOUNT_RULES, "idempotency_key": {"pattern": IDEMPOTENCY_KEY}}}

    idempotency_key = StrictString(allow_blank=True, max_length=1000)


class BatchBody(serializers.Serializer[Any]):
    """Up to 1,000 transfers.

    The items are validated one by one, so that an invalid one fails alone.
    """

    transfers = serializers.ListField(child=serializers.JSONField(allow_null=True), min_length=1, max_length=MAX_BATCH)
    atomic = StrictBoolean(required=False, default=False)


class BatchSchemaBody(serializers.Serializer[Any]):
    """A batch as the schema shows it."""

    schema_rules: ClassVar[Mapping[str, Any]] = {"properties": {"transfers": {"minItems": 1, "maxItems": MAX_BATCH}}}

    transfers = BatchItemBody(many=True)
    atomic = StrictBoolean(required=False, default=False, help_text="All or nothing.")


class BatchResultJson(serializers.Serializer[Any]):
    """What became of one item."""

    status = serializers.IntegerField()
    transfer = TransferJson(required=False)
    error = serializers.DictField(required=False)


class BatchJson(serializers.Serializer[Any]):
    """What became of each item, in order."""

    results = BatchResultJson(many=True)
