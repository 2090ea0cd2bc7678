"""Memberships: for which merchants a user acts. Synchronous."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from merchants.domain import MerchantIdentity, fold, is_name
from merchants.models import folded_name
from people.domain import Role
from people.models import Membership


@dataclass(frozen=True, slots=True)
class MembershipFacts:
    """One user's role at one merchant. ``display_name`` is the merchant's, for people."""

    user_id: UUID
    merchant: MerchantIdentity
    display_name: str | None
    role: Role


def _facts(row: Membership) -> MembershipFacts:
    merchant = row.merchant
    return MembershipFacts(row.user_id, MerchantIdentity(merchant.id, merchant.name), merchant.display_name, Role(row.role))


def list_memberships(user_id: UUID) -> list[MembershipFacts]:
    """Return the memberships of a user who can sign in, oldest first. Others have none."""
    rows = Membership.objects.filter(user_id=user_id, user__is_active=True).select_related("merchant").order_by("id")
    return [_facts(row) for row in rows]


def get_membership(user_id: UUID, merchant_name: str) -> MembershipFacts | None:
    """Return a user's membership of a merchant, found as names are: regardless of case.

    Returns None for a user who is not a member or cannot sign in: such a merchant is as if it did
    not exist.
    """
    if not is_name(merchant_name):
        return None
    rows = Membership.objects.filter(user_id=user_id, user__is_active=True).alias(folded=folded_name("merchant__name"))
    row = rows.filter(folded=fold(merchant_name)).select_related("merchant").first()
    return None if row is None else _facts(row)


def renewed_membership(user_id: UUID, merchant_id: UUID) -> MembershipFacts | None:
    """Return a user's membership of a merchant as it is now, by the merchant's id.

    Returns None for a user who is no member any more or cannot sign in.
    """
    rows = Membership.objects.filter(user_id=user_id, user__is_active=True, merchant_id=merchant_id)
    row = rows.select_related("merchant").first()
    return None if row is None else _facts(row)
