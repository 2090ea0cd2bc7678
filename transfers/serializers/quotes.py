"""Quotes: their answers."""

from __future__ import annotations

from rest_framework import serializers

from ledger_project.http.members import Json, Members, amount_members, answered_amount
from transfers.serializers.transfers import ScheduleJson
from transfers.services.quotes import Quote


class QuoteJson(Members):
    """What a transfer would cost."""

    currency = serializers.CharField()
    amount = answered_amount()
    fee = answered_amount()
    total_debit = answered_amount()
    receiver_gets = answered_amount()
    fee_schedule = ScheduleJson()


def quote_json(quote: Quote) -> Json:
    """Return the price of a transfer."""
    currency = quote.currency
    return {
        "currency": currency.code,
        **amount_members("amount", quote.amount_minor, currency),
        **amount_members("fee", quote.fee_minor, currency),
        **amount_members("total_debit", quote.total_debit_minor, currency),
        **amount_members("receiver_gets", quote.receiver_gets_minor, currency),
        "fee_schedule": {"id": str(quote.schedule.id), "version": quote.schedule.version},
    }
