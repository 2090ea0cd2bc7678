"""Wallets: their answers."""

from __future__ import annotations

from rest_framework import serializers

from ledger_project.http.members import Json, Members, amount_members, answered_amount, timestamp
from transfers.domain.ledger import AccountSnapshot


class AccountJson(Members):
    """A wallet."""

    id = serializers.UUIDField()
    merchant_name = serializers.CharField()
    currency = serializers.CharField()
    status = serializers.ChoiceField(choices=["active", "frozen", "closed"])
    balance = answered_amount()
    available = answered_amount()
    held = answered_amount()
    overdraft_limit = answered_amount(help_text="How far below zero it may go; `available` does not contain it.")
    created_at = serializers.DateTimeField()


def account_json(account: AccountSnapshot) -> Json:
    """Return a wallet with its balances, and how far below zero it may go."""
    currency = account.currency
    return {
        "id": str(account.id),
        "merchant_name": account.merchant_name,
        "currency": currency.code,
        "status": account.status.value,
        **amount_members("balance", account.available_minor + account.held_minor, currency),
        **amount_members("available", account.available_minor, currency),
        **amount_members("held", account.held_minor, currency),
        **amount_members("overdraft_limit", account.overdraft_minor, currency),
        "created_at": timestamp(account.created_at),
    }
