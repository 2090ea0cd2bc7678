"""Approvals: the queries and answers of their calls."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from approvals.domain.states import ApprovalStatus
from approvals.selectors.approvals import ApprovalFacts
from ledger_project.http.cursors import PageQuery
from ledger_project.http.fields import Enumeration
from ledger_project.http.members import Json, Members, amount_members, timestamp
from ledger_project.kernel.exact_json import dumps
from merchants.selectors import known_currency
from transfers.serializers.transfers import TransferJson


class ApprovalQuery(PageQuery):
    """Which approvals."""

    status = Enumeration([s.value for s in ApprovalStatus], required=False)


class WaitingJson(Members):
    """What waits for a second person."""

    id = serializers.UUIDField()
    action = serializers.CharField()
    status = serializers.ChoiceField(choices=[s.value for s in ApprovalStatus])
    requested_by = serializers.CharField()
    summary = serializers.CharField()
    expires_at = serializers.DateTimeField()


class ApprovalRequiredJson(serializers.Serializer[Any]):
    """Nothing was done: it waits for a second person."""

    approval = WaitingJson()


class ApprovalFailureJson(Members):
    """Why the ledger refused the command."""

    code = serializers.CharField()
    detail = serializers.CharField()


class ApprovalListedJson(WaitingJson):
    """An approval, with what it is about and how it was decided."""

    created_at = serializers.DateTimeField()
    merchant_name = serializers.CharField(allow_null=True)
    currency = serializers.CharField(allow_null=True)
    amount = serializers.CharField(allow_null=True)
    amount_minor = serializers.IntegerField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    decided_by = serializers.CharField(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)
    decision_reason = serializers.CharField(allow_null=True)
    transfer_id = serializers.UUIDField(allow_null=True)
    failure = ApprovalFailureJson(allow_null=True)


class ApprovalResultJson(serializers.Serializer[Any]):
    """What it posted."""

    transfer = TransferJson()


class ApprovalJson(ApprovalListedJson):
    """An approval, with its result."""

    result = ApprovalResultJson(allow_null=True)


class ApprovalPageJson(serializers.Serializer[Any]):
    """A page of approvals, newest first."""

    items = ApprovalListedJson(many=True)
    next_cursor = serializers.CharField(allow_null=True)


def waiting_json(approval: ApprovalFacts) -> Json:
    """Return an approval as the answer 202 shows it."""
    return {
        "id": str(approval.id),
        "action": approval.action,
        "status": approval.status,
        "requested_by": approval.requested_by,
        "summary": approval.summary,
        "expires_at": timestamp(approval.expires_at),
    }


def required_body(approval: ApprovalFacts) -> bytes:
    """Return the body of the answer 202."""
    return dumps({"approval": waiting_json(approval)})


def approval_json(approval: ApprovalFacts) -> Json:
    """Return an approval as a list shows it. Synchronous."""
    has_amount = approval.amount_minor is not None and approval.currency
    nothing: Json = {"amount": None, "amount_minor": None}
    failure = {"code": approval.failure_code, "detail": approval.failure_detail}
    return {
        **waiting_json(approval),
        "created_at": timestamp(approval.created_at),
        "merchant_name": approval.merchant_name,
        "currency": approval.currency or None,
        **(amount_members("amount", approval.amount_minor or 0, known_currency(approval.currency)) if has_amount else nothing),
        "reason": approval.reason or None,
        "decided_by": approval.decided_by or None,
        "decided_at": None if approval.decided_at is None else timestamp(approval.decided_at),
        "decision_reason": approval.decision_reason or None,
        "transfer_id": None if approval.transfer_id is None else str(approval.transfer_id),
        "failure": failure if approval.failure_code else None,
    }
