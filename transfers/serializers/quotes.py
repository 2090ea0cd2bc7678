"""Quotes: how the price of a transfer is answered."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from transfers.serializers.transfers import ScheduleJson


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
