"""Statements: how an account's entries are answered."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from ledger_project.http.cursors import PageQuery
from ledger_project.http.fields import QueryBoolean, Timestamp
from ledger_project.http.members import Json, money, timestamp
from ledger_project.kernel.money import MAX_AMOUNT_MINOR
from transfers.selectors.shown import EntryView


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


class StatementJson(serializers.Serializer[Any]):
    """A page of an account's entries, newest first; with a period also what it opened and closed with."""

    items = EntryJson(many=True)
    next_cursor = serializers.CharField(allow_null=True)
    opening_balance = serializers.CharField(required=False)
    opening_balance_minor = serializers.IntegerField(required=False)
    closing_balance = serializers.CharField(required=False)
    closing_balance_minor = serializers.IntegerField(required=False)


class StatementQuery(PageQuery):
    """Which lines: `from` ≤ time < `to`."""

    not_filters = PageQuery.not_filters | {"spreadsheet"}

    to = Timestamp(required=False)
    spreadsheet = QueryBoolean(
        required=False, default=False, help_text="CSV for people: text that a spreadsheet would take for a formula is quoted."
    )


StatementQuery._declared_fields["from"] = Timestamp(required=False)


def entry_json(entry: EntryView, *, with_kind: bool = False) -> Json:
    """Return one line of an account; among a transfer's entries also what kind of account it is in."""
    return {
        "id": str(entry.id),
        "account_id": str(entry.account_id),
        **({"account_kind": entry.account_kind} if with_kind else {}),
        "transfer_id": str(entry.transfer_id),
        "sequence": entry.sequence,
        "direction": entry.direction,
        "type": entry.type,
        "currency": entry.currency.code,
        **money("amount", entry.amount_minor, entry.currency),
        **money("balance_after", entry.balance_after_minor, entry.currency),
        "counterparty": entry.counterparty,
        "memo": entry.memo,
        "external_reference": entry.external_reference,
        "created_at": timestamp(entry.created_at),
    }
