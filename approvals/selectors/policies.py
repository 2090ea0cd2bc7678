"""The policies that are in force. Each process reads them once a second at most.

Whoever sets one waits until every process has read it (``services/policies.py``). So a request pays
no round trip for policies, and none that begins after that is decided by older ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from approvals.domain.errors import ApprovalRequired
from approvals.domain.operations import Operation
from approvals.domain.policies import Action, Policy, is_covered
from approvals.domain.reaches import reach_of
from approvals.models import ApprovalPolicy
from ledger_project.database.lost_rows import on_forgetting
from ledger_project.database.readers import in_reader
from ledger_project.kernel.actors import Actor
from transfers.domain.commands import Command, Refuse, TransferFunds
from transfers.domain.refusals import RefusedKind, Wanted

READ_AGAIN_AFTER_S = 1.0
"""How old the policies are at most that a request is decided by."""

_known: tuple[float, tuple[Policy, ...]] | None = None


def forget_policies() -> None:
    """Have this process read the policies again before they are used."""
    global _known  # noqa: PLW0603 - one for each process: every request of the platform needs them
    _known = None


def _fresh() -> tuple[Policy, ...] | None:
    known = _known
    return known[1] if known is not None and time.monotonic() - known[0] < READ_AGAIN_AFTER_S else None


def policies_now() -> Sequence[Policy]:
    """Return the policies in force. Synchronous."""
    global _known  # noqa: PLW0603 - as above
    found = _fresh()
    if found is None:
        read_at = time.monotonic()  # before they are read: their age counts from then
        rows = ApprovalPolicy.objects.values_list("action", "currency_id", "from_minor")
        found = tuple(Policy(Action(action), currency, int(from_minor)) for action, currency, from_minor in rows)
        _known = read_at, found
    return found


async def _policies() -> Sequence[Policy]:
    found = _fresh()
    return await in_reader(policies_now) if found is None else found


async def needs_second_person(operation: Operation | Command, actor: Actor) -> bool:
    """Whether a policy covers what a caller does. A merchant's credential is never covered."""
    reach = reach_of(operation) if actor.merchant_id is None else None
    return reach is not None and is_covered(reach, await _policies())


async def transfer_guard(actor: Actor) -> Callable[[Command], Command]:
    """Return what a batch does with each command: one that a policy covers is refused, since one
    answer has no room for a request. A key that was answered before gives that answer again.
    """
    policies = await _policies() if actor.merchant_id is None else ()

    def guard(command: Command) -> Command:
        reach = reach_of(command) if policies else None
        if reach is None or not is_covered(reach, policies) or not isinstance(command, TransferFunds):
            return command
        wanted = Wanted(
            RefusedKind.TRANSFER,
            command.source.id,
            command.target.id,
            command.currency.code,
            command.amount_minor,
            command.details.principal,
        )
        return Refuse(ApprovalRequired(reach.action.value), wanted)

    return guard


def needs_second_person_now(operation: Operation | Command) -> bool:
    """The same for an operator, from synchronous code."""
    reach = reach_of(operation)
    return reach is not None and is_covered(reach, policies_now())


on_forgetting(forget_policies)
