"""Members: people who act for a merchant, by the role of their membership."""

from __future__ import annotations

from ledger_project.kernel.actors import Actor
from merchants.domain import MerchantIdentity
from people.domain import ROLE_SCOPES, Role
from people.models import User


def actor_of_member(user: User, merchant: MerchantIdentity, role: Role) -> Actor:
    """Return the caller for pages of a member.

    It acts for this merchant only, with the scopes of the role. The principal has the user's id and
    nothing else of the person: it is stored with every transfer, for good.
    """
    return Actor(f"user:{user.pk}", merchant.id, ROLE_SCOPES[role])
