"""Who looks at a page: the person's memberships, and the caller that each of them makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from ledger_project.kernel.actors import Actor, Scope
from merchants.domain import MerchantIdentity
from people.access.members import actor_of_member
from people.domain import Role
from people.models import User
from people.selectors.memberships import MembershipFacts, get_membership, list_memberships


@dataclass(frozen=True, slots=True)
class Member:
    """A person who acts for a merchant.

    ``title`` is the merchant's name for people.
    """

    user: User
    merchant: MerchantIdentity
    title: str
    role: Role
    actor: Actor

    @property
    def moves_money(self) -> bool:
        """Whether the role may move money."""
        return Scope.TRANSFERS_WRITE in self.actor.scopes

    @property
    def opens_wallets(self) -> bool:
        """Whether the role may open wallets."""
        return Scope.MERCHANTS_WRITE in self.actor.scopes

    def require(self, scope: Scope) -> None:
        """Raise Django's ``PermissionDenied``, which is a page with status 403, for a role without
        a scope.
        """
        if scope not in self.actor.scopes:
            raise PermissionDenied(f"Your role at {self.merchant.name} is {self.role.value}; it does not allow this.")


def _member(user: User, facts: MembershipFacts) -> Member:
    merchant = facts.merchant
    return Member(user, merchant, facts.display_name or merchant.name, facts.role, actor_of_member(user, merchant, facts.role))


def members_of(request: HttpRequest) -> list[Member]:
    """Return what the person is a member of, oldest membership first."""
    user = cast("User", request.user)
    return [_member(user, facts) for facts in list_memberships(user.pk)]


def member_of(request: HttpRequest, merchant_name: str) -> Member:
    """Return the person as a member of a merchant.

    Raises ``Http404`` for a merchant of others, as if there were none.
    """
    user = cast("User", request.user)
    facts = get_membership(user.pk, merchant_name)
    if facts is None:
        raise Http404
    return _member(user, facts)
