"""Users, as callers see them. Synchronous."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.db.models.functions import Collate, Lower

from ledger_project.kernel.actors import Actor
from merchants.domain import fold
from merchants.models import folded_name
from people.domain import Role, UserStatus
from people.models import Membership, User
from people.operator_log import API_USER

_IN_STATUS = {
    UserStatus.SUSPENDED: Q(is_active=False),
    UserStatus.INVITED: Q(is_active=True, activated_at__isnull=True),
    UserStatus.ACTIVE: Q(is_active=True, activated_at__isnull=False),
}
"""``domain.status_of`` in SQL."""


@dataclass(frozen=True, slots=True)
class UserFacts:
    """A user as a caller sees it: a merchant's credential sees the membership of its own merchant
    only.
    """

    id: UUID
    email: str
    name: str
    status: UserStatus
    memberships: Sequence[tuple[str, Role]]
    created_at: datetime


def known_users() -> QuerySet[User]:
    """Return the users who were not erased, without the one that stands for API credentials."""
    return User.objects.filter(erased_at__isnull=True).exclude(username=API_USER)


def with_email(users: QuerySet[User], email: str) -> QuerySet[User]:
    """Return the users with this address, regardless of the case of A to Z: one at most."""
    return users.alias(folded_email=Lower(Collate("email", "C"))).filter(folded_email=fold(email)).exclude(email="")


def _visible(actor: Actor, *, merchant: str | None = None) -> QuerySet[User]:
    """Return the users that a caller sees: the platform all, a merchant its own members."""
    memberships = Membership.objects.filter(user_id=OuterRef("pk"))
    if actor.merchant_id is not None:
        memberships = memberships.filter(merchant_id=actor.merchant_id)
    if merchant is not None:
        memberships = memberships.alias(folded=folded_name("merchant__name")).filter(folded=fold(merchant))
    users = known_users()
    return users if actor.merchant_id is None and merchant is None else users.filter(Exists(memberships))


def _facts(users: QuerySet[User], actor: Actor) -> list[UserFacts]:
    shown = Membership.objects.select_related("merchant").order_by("id")
    if actor.merchant_id is not None:
        shown = shown.filter(merchant_id=actor.merchant_id)
    return [
        UserFacts(
            user.id,
            user.email,
            user.name,
            user.status,
            [(membership.merchant.name, Role(membership.role)) for membership in user.memberships.all()],
            user.date_joined,
        )
        for user in users.prefetch_related(Prefetch("memberships", shown))
    ]


def get_user(user_id: UUID, actor: Actor) -> UserFacts | None:
    """Return a user; None if there is none, or the caller may not see it."""
    found = _facts(_visible(actor).filter(id=user_id), actor)
    return found[0] if found else None


def list_users(
    actor: Actor,
    *,
    email: str | None = None,
    merchant: str | None = None,
    status: str | None = None,
    before: UUID | None = None,
    limit: int,
) -> list[UserFacts]:
    """Return the users that a caller sees, newest first.

    ``merchant`` is a name; with a merchant's credential, another one's has no users.
    """
    users = _visible(actor, merchant=merchant)
    if email is not None:
        users = with_email(users, email)
    if status is not None:
        users = users.filter(_IN_STATUS[UserStatus(status)])
    if before is not None:
        users = users.filter(id__lt=before)
    return _facts(users.order_by("-id")[:limit], actor)
