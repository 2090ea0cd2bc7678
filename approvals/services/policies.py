"""Policies: to set and to end one."""

from __future__ import annotations

import time

from django.db import transaction

from approvals.domain.policies import Action
from approvals.models import ApprovalPolicy
from approvals.selectors.policies import READ_AGAIN_AFTER_S, forget_policies
from ledger_project.kernel.happenings import EventType, Happening, tell

_MARGIN_S = 0.05
"""Clocks of different processors may run apart by less than that within a second."""


def set_policy(policy: ApprovalPolicy, *, principal: str) -> None:
    """Store a policy. When its transaction has committed, and before its caller goes on, every
    process of the service goes by it.

    ``principal`` is who sets it, for the event.
    """
    with transaction.atomic():
        policy.save()
        _tell(policy, principal, in_force=True)
        transaction.on_commit(_wait_for_all)


def end_policy(policy: ApprovalPolicy, *, principal: str) -> None:
    """Remove a policy, as ``set_policy`` stores one. What waits already goes on waiting."""
    with transaction.atomic():
        _tell(policy, principal, in_force=False)
        policy.delete()
        transaction.on_commit(_wait_for_all)


def _tell(policy: ApprovalPolicy, principal: str, *, in_force: bool) -> None:
    facts = {
        "action": Action(policy.action).value,
        "currency": policy.currency_id,
        "from_minor": policy.from_minor,
        "in_force": in_force,
        "changed_by": principal,
    }
    tell(Happening(EventType.APPROVAL_POLICY_CHANGED, facts={"approval_policy": facts}))


def _wait_for_all() -> None:
    """Wait until no process goes by the policies of before."""
    forget_policies()
    time.sleep(READ_AGAIN_AFTER_S + _MARGIN_S)
