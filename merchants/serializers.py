"""Bodies and queries of the merchant calls, and how their answers are described in the schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework import serializers

from ledger_project.http.cursors import PageQuery
from ledger_project.http.fields import (
    EmailAddress,
    Enumeration,
    MerchantName,
    MetadataField,
    QueryBoolean,
    ShownName,
    StrictString,
    Timestamp,
)
from ledger_project.kernel.money import MAJOR_UNITS
from merchants.domain import Status


class RegistrationBody(serializers.Serializer[Any]):
    """A new merchant."""

    schema_rules: ClassVar[Mapping[str, Any]] = {"properties": {"initial_balance": {"pattern": MAJOR_UNITS}}}

    merchant_name = MerchantName()
    currency = StrictString(required=False, allow_null=True, max_length=32, default=None)
    initial_balance = StrictString(required=False, max_length=80, default="0", help_text="Major units; needs `currency`.")
    display_name = ShownName(required=False, allow_null=True, default=None, help_text="What people call it.")
    receipt_email = EmailAddress(required=False, allow_null=True, default=None)
    metadata = MetadataField(required=False, default=dict)


class MerchantChangeBody(serializers.Serializer[Any]):
    """What is known of a merchant beside its name; members that are left out stay as they are, null takes away."""

    display_name = ShownName(required=False, allow_null=True)
    receipt_email = EmailAddress(required=False, allow_null=True)
    metadata = MetadataField(required=False, help_text="Replaces what was there, as a whole.")


class AccountBody(serializers.Serializer[Any]):
    """A new account."""

    currency = StrictString(max_length=32)


class MerchantQuery(PageQuery):
    """Filters of the list of merchants."""

    search = StrictString(required=False, allow_blank=True, max_length=64, help_text="Part of the name, regardless of case.")
    status = Enumeration([status.value for status in Status], required=False)


class BalanceQuery(serializers.Serializer[Any]):
    """Which balances, as of when."""

    currency = StrictString(required=False, max_length=32)
    at = Timestamp(required=False, help_text="As of this moment, its entries included.")


class StatementQuery(PageQuery):
    """Which lines: `from` ≤ time < `to`."""

    not_filters = PageQuery.not_filters | {"spreadsheet"}

    to = Timestamp(required=False)
    spreadsheet = QueryBoolean(
        required=False, default=False, help_text="CSV for people: text that a spreadsheet would take for a formula is quoted."
    )


StatementQuery._declared_fields["from"] = Timestamp(required=False)


class BalanceJson(serializers.Serializer[Any]):
    """What a merchant has in one currency."""

    account_id = serializers.UUIDField(allow_null=True)
    currency = serializers.CharField()
    balance = serializers.CharField()
    balance_minor = serializers.IntegerField()
    available = serializers.CharField()
    available_minor = serializers.IntegerField()
    held = serializers.CharField()
    held_minor = serializers.IntegerField()


class MerchantJson(serializers.Serializer[Any]):
    """A merchant with its balances."""

    id = serializers.UUIDField()
    merchant_name = serializers.CharField()
    display_name = serializers.CharField(allow_null=True)
    receipt_email = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=[status.value for status in Status])
    metadata = serializers.DictField()
    created_at = serializers.DateTimeField()
    balances = BalanceJson(many=True)


class MerchantPageJson(serializers.Serializer[Any]):
    """A page of merchants."""

    items = MerchantJson(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class MerchantBalancesJson(serializers.Serializer[Any]):
    """A merchant's balances as of a moment."""

    merchant_name = serializers.CharField()
    as_of = serializers.DateTimeField()
    balances = BalanceJson(many=True)
