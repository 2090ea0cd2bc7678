"""Wallets: how one is answered."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from ledger_project.http.members import Json, money, timestamp
from transfers.domain.ledger import AccountSnapshot


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


def account_json(account: AccountSnapshot) -> Json:
    """Return a wallet with its balances, and how far below zero it may go."""
    currency = account.currency
    return {
        "id": str(account.id),
        "merchant_name": account.merchant_name,
        "currency": currency.code,
        "status": account.status.value,
        **money("balance", account.available_minor + account.held_minor, currency),
        **money("available", account.available_minor, currency),
        **money("held", account.held_minor, currency),
        **money("overdraft_limit", account.overdraft_minor, currency),
        "created_at": timestamp(account.created_at),
    }
