"""Members: people who act for a merchant, by the role of their membership."""

from __future__ import annotations

from ledger_project.kernel.actors import Actor, PermissionDenied
from ledger_project.kernel.errors import ValidationFailed
from ledger_project.kernel.refusals import MerchantNotFound
from merchants.domain import MerchantIdentity
from people.domain import ROLE_SCOPES, Role
from people.models import User
from people.selectors.memberships import MembershipFacts, get_membership, list_memberships


def actor_of_member(user: User, merchant: MerchantIdentity, role: Role) -> Actor:
    """Return the caller for pages of a member.

    It acts for this merchant only, with the scopes of the role. The principal has the user's id and
    nothing else of the person: it is stored with every transfer, for good.
    """
    return Actor(f"user:{user.pk}", merchant.id, ROLE_SCOPES[role])


_MOST_NAMED = 20


def chosen_membership(user: User, merchant_name: str | None) -> MembershipFacts:
    """Return the membership for which a user wants to act: at the named merchant, or the only one.

    Raises ``MerchantNotFound`` for a merchant whose member the user is not, ``ValidationFailed``
    where a name is needed, and ``PermissionDenied`` for a user who is nobody's member.
    """
    if merchant_name is not None:
        found = get_membership(user.pk, merchant_name)
        if found is None:
            raise MerchantNotFound(merchant_name)
        return found
    memberships = list_memberships(user.pk)
    if not memberships:
        raise PermissionDenied("You are a member of no merchant. An owner of a merchant, or the platform, can make you one.")
    if len(memberships) > 1:
        names = ", ".join(one.merchant.name for one in memberships[:_MOST_NAMED])
        raise ValidationFailed.of("merchant_name", "required", f"you act for several merchants; name one of them: {names}")
    return memberships[0]
