"""The examples of approvals in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping

APPROVAL = "0199c0de-0000-7000-8000-000000012001"


def approval_bodies() -> dict[str, Mapping[str, object]]:
    """Return the example of each body about approvals, by its call."""
    return {"approve": {}, "reject": {"reason": "The bank has no such payment."}}


def approval_answers(merchant: str, transfer: Mapping[str, object], time: str) -> dict[str, object]:
    """Return the example of each answer about approvals, by its schema's name."""
    waiting = {
        "id": APPROVAL,
        "action": "deposit",
        "status": "pending",
        "requested_by": "key:0199c0de-0000-7000-8000-000000012002",
        "summary": f"Deposit 1.00 EUR for {merchant}",
        "expires_at": time,
    }
    decided = {
        **waiting,
        "status": "approved",
        "created_at": time,
        "merchant_name": merchant,
        "currency": "EUR",
        "amount": "1.00",
        "amount_minor": 100,
        "reason": "Top-up",
        "decided_by": "key:0199c0de-0000-7000-8000-000000012003",
        "decided_at": time,
        "decision_reason": None,
        "transfer_id": transfer["id"],
        "failure": None,
    }
    return {
        "ApprovalRequiredJson": {"approval": waiting},
        "ApprovalJson": {**decided, "result": {"transfer": transfer}},
        "ApprovalPageJson": {"items": [decided], "next_cursor": None},
    }
