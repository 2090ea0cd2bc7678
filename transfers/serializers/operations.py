"""The summary of the service's figures: its query and its answer."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from ledger_project.http.fields import StrictString
from ledger_project.http.members import Json, Members, amount_members, answered_amount, timestamp
from transfers.figures.summary import Summary


class SummaryQuery(Members):
    """Which currency, and which days (UTC), both included."""

    currency = StrictString(required=False, max_length=12, help_text="By default the busiest of the period.")
    to = serializers.DateField(required=False, help_text="Last day; by default today.")
    from_ = serializers.DateField(required=False, help_text="First day; by default 29 days before the last.")


class KindJson(Members):
    """What was posted of one kind."""

    kind = serializers.CharField()
    count = serializers.IntegerField()
    volume = answered_amount()
    fees = answered_amount()
    fee_refunds = answered_amount()


class DayJson(Members):
    """One day: postings without holds and fee settlements, and what merchants (the treasury
    included) held at its end.
    """

    day = serializers.DateField()
    count = serializers.IntegerField()
    volume = answered_amount()
    fee_income = answered_amount()
    value = answered_amount()


class RefusalJson(serializers.Serializer[Any]):
    """How often a code refused a posting; without a currency where the request named none that
    exists.
    """

    code = serializers.CharField()
    currency = serializers.CharField(allow_null=True)
    count = serializers.IntegerField()


class TopMerchantJson(Members):
    """What one merchant moved."""

    merchant_name = serializers.CharField()
    movements = serializers.IntegerField()
    sent = answered_amount()
    received = answered_amount()


class OpenHoldsJson(Members):
    """Holds that are open now."""

    count = serializers.IntegerField()
    reserved = answered_amount()


class ReconciliationJson(serializers.Serializer[Any]):
    """The newest finished reconciliation."""

    verdict = serializers.CharField()
    finished_at = serializers.DateTimeField()
    entries_checked = serializers.IntegerField()
    findings = serializers.IntegerField()
    scope = serializers.CharField()


class SummaryJson(Members):
    """Figures of one currency; `as_of` says how fresh those of days are. Value is without the
    treasury's own money.
    """

    currency = serializers.CharField()
    to = serializers.DateField()
    as_of = serializers.DateTimeField()
    value = answered_amount()
    available = answered_amount()
    held = answered_amount()
    treasury = answered_amount()
    fees_unswept = answered_amount()
    fee_income = answered_amount()
    kinds = KindJson(many=True)
    days = DayJson(many=True)
    refusals = RefusalJson(many=True)
    top_merchants = TopMerchantJson(many=True)
    open_holds = OpenHoldsJson()
    reconciliation = ReconciliationJson(allow_null=True)
    from_ = serializers.DateField()


def _details(summary: Summary) -> Json:
    unit = summary.currency
    return {
        "kinds": [
            {
                "kind": kind.kind,
                "count": kind.transfers,
                **amount_members("volume", kind.volume_minor, unit),
                **amount_members("fees", kind.fees_minor, unit),
                **amount_members("fee_refunds", kind.fee_refunds_minor, unit),
            }
            for kind in summary.kinds
        ],
        "days": [
            {
                "day": day.day.isoformat(),
                "count": day.transfers,
                **amount_members("volume", day.volume_minor, unit),
                **amount_members("fee_income", day.fee_income_minor, unit),
                **amount_members("value", day.value_minor, unit),
            }
            for day in summary.days
        ],
        "refusals": [{"code": r.code, "currency": r.currency, "count": r.refusals} for r in summary.refusals],
        "top_merchants": [
            {
                "merchant_name": merchant.name,
                "movements": merchant.entries,
                **amount_members("sent", merchant.sent_minor, unit),
                **amount_members("received", merchant.received_minor, unit),
            }
            for merchant in summary.top_merchants
        ],
        "open_holds": {"count": summary.open_holds, **amount_members("reserved", summary.open_holds_minor, unit)},
    }


def summary_json(summary: Summary) -> Json:
    """Return a summary."""
    unit, run = summary.currency, summary.reconciliation
    return {
        "currency": unit.code,
        "from": summary.first.isoformat(),
        "to": summary.last.isoformat(),
        "as_of": timestamp(summary.as_of),
        **amount_members("value", summary.value_minor, unit),
        **amount_members("available", summary.available_minor, unit),
        **amount_members("held", summary.held_minor, unit),
        **amount_members("treasury", summary.treasury_minor, unit),
        **amount_members("fees_unswept", summary.fees_unswept_minor, unit),
        **amount_members("fee_income", summary.fees_minor - summary.fee_refunds_minor, unit),
        **_details(summary),
        "reconciliation": None
        if run is None
        else {
            "verdict": run.verdict,
            "finished_at": timestamp(run.finished_at),
            "entries_checked": run.entries_checked,
            "findings": run.findings,
            "scope": run.scope,
        },
    }
