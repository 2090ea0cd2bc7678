"""What a policy covers."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from uuid import UUID

from msgspec import Struct


class Action(StrEnum):
    """What an operator or a credential of the platform does, as policies name it."""

    TRANSFER = "transfer"
    """A transfer between merchants, and the capture of a hold."""
    DEPOSIT = "deposit"
    """Money from outside: a deposit, a confirmed request to add money, an opening balance."""
    WITHDRAWAL = "withdrawal"
    REVERSAL = "reversal"
    OVERDRAFT = "overdraft"
    """A wallet's overdraft limit; the amount is the new limit."""
    CLOSE = "close"
    """The closing of a merchant, which has no amount."""
    FEE_VERSION = "fee_version"
    """A new version of a fee schedule, which has no amount."""


WITHOUT_AMOUNT = frozenset({Action.CLOSE, Action.FEE_VERSION})
"""The actions that have no amount: a policy of theirs covers all."""


class Policy(Struct, frozen=True):
    """What needs a second person: an action, from an amount in minor units on.

    ``currency`` None is every currency; ``from_minor`` is zero then.
    """

    action: Action
    currency: str | None
    from_minor: int


class Reach(Struct, frozen=True):
    """What policies look at. None is no currency, or all; no amount; no merchant, or all."""

    action: Action
    currency: str | None = None
    amount_minor: int | None = None
    merchant_id: UUID | None = None


def is_covered(reach: Reach, policies: Iterable[Policy]) -> bool:
    """Whether a policy covers it. What is about all currencies is covered by a policy of one."""
    return any(_covers(policy, reach) for policy in policies)


def _covers(policy: Policy, reach: Reach) -> bool:
    if policy.action != reach.action:
        return False
    if policy.currency is not None and reach.currency is not None and policy.currency != reach.currency:
        return False
    return reach.amount_minor is None or reach.amount_minor >= policy.from_minor
