"""Deposits and withdrawals: their answers."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from transfers.serializers.accounts import AccountJson
from transfers.serializers.transfers import TransferJson


class MovementJson(serializers.Serializer[Any]):
    """A deposit or withdrawal, and the account after it."""

    account = AccountJson()
    transfer = TransferJson()
