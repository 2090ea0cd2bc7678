"""Memberships are given, changed and taken: by the platform, and by a merchant's owners for their
own merchant. Synchronous.
"""

from __future__ import annotations

from uuid import UUID

import structlog
from django.db import transaction

from ledger_project.kernel.actors import Actor, PermissionDenied
from ledger_project.kernel.refusals import MerchantNotFound
from merchants.domain import MerchantIdentity, own
from merchants.selectors import identify_now
from people.access.rate_limits import Brake
from people.domain import Role, UserExists, UserNotFound
from people.models import Membership, User
from people.services.mail import request_invitation
from people.services.users import check_may_change_users, insert_user, locked_user

log = structlog.get_logger(__name__)

_invitations = Brake()
_PER_HOUR = 30
"""Invitations of one merchant: the mails must not become a way to write to strangers."""


def set_membership(user_id: UUID, merchant_name: str, role: Role, *, actor: Actor) -> None:
    """Give a user a role at a merchant, in place of another one that the user had there.

    Raises ``UserNotFound``, ``MerchantNotFound`` and ``PermissionDenied``, also when the last owner
    would become something else.
    """
    merchant = _own_merchant(merchant_name, actor)
    with transaction.atomic():
        _give(locked_user(user_id), merchant, role, actor)


def invite_member(merchant_name: str, *, email: str, name: str, role: Role, actor: Actor) -> UUID:
    """Give the user with this address a role at a merchant, and return the user's id.

    Somebody who is not known yet is invited by mail, and so is a user who was invited before and
    has no password yet. The caller is not told which it was.

    Raises ``MerchantNotFound`` and ``PermissionDenied``, as ``set_membership`` does, and
    ``RateLimited``.
    """
    merchant = _own_merchant(merchant_name, actor)
    if actor.merchant_id is not None:
        _invitations.take(str(merchant.id), rate=_PER_HOUR / 3600, burst=_PER_HOUR)
    with transaction.atomic():
        try:
            user = insert_user(email, name)
        except UserExists as taken:
            user = locked_user(taken.user_id)
            request_invitation(user)
            user.save(update_fields=["mail_due_at", "mail_attempts"])
        _give(user, merchant, role, actor)
    found: UUID = user.pk
    return found


def remove_membership(user_id: UUID, merchant_name: str, *, actor: Actor) -> None:
    """Take a user's role at a merchant.

    Raises ``MerchantNotFound``, ``UserNotFound`` also for a user who is no member, and
    ``PermissionDenied`` for the last owner, unless the caller is the platform.
    """
    merchant = _own_merchant(merchant_name, actor)
    with transaction.atomic():
        locked_user(user_id)
        membership = _locked_memberships(merchant).get(user_id)
        if membership is None:
            raise UserNotFound(user_id)
        _check_owner_remains(merchant, membership, actor)
        membership.delete()
    log.info("membership.removed", user_id=str(user_id), merchant=merchant.name, actor=actor.principal)


def _own_merchant(name: str, actor: Actor) -> MerchantIdentity:
    """Return the merchant of that name, if the caller may change its memberships.

    Raises ``MerchantNotFound`` and ``PermissionDenied``.
    """
    check_may_change_users(actor)
    merchant = own(actor, identify_now(names=[name]).merchant(name))
    if merchant is None:
        raise MerchantNotFound(name)
    return merchant


def _locked_memberships(merchant: MerchantIdentity) -> dict[UUID, Membership]:
    """Lock all memberships of a merchant, always in one order: of two owners who remove each other
    at the same moment, the second finds itself removed.
    """
    rows = Membership.objects.select_for_update().filter(merchant_id=merchant.id).order_by("id")
    return {row.user_id: row for row in rows}


def _give(user: User, merchant: MerchantIdentity, role: Role, actor: Actor) -> None:
    membership = _locked_memberships(merchant).get(user.pk)
    if membership is None:
        Membership.objects.create(user=user, merchant_id=merchant.id, role=role.value)
    elif membership.role != role.value:
        _check_owner_remains(merchant, membership, actor)
        membership.role = role.value
        membership.save(update_fields=["role"])
    log.info("membership.given", user_id=str(user.pk), merchant=merchant.name, role=role.value, actor=actor.principal)


def _check_owner_remains(merchant: MerchantIdentity, membership: Membership, actor: Actor) -> None:
    """Raise ``PermissionDenied`` if nobody who can sign in would be left as owner.

    The platform may do that: it can give a merchant another owner.
    """
    if actor.merchant_id is None or membership.role != Role.OWNER.value:
        return
    others = Membership.objects.filter(merchant_id=merchant.id, role=Role.OWNER.value).exclude(pk=membership.pk)
    if not others.filter(user__is_active=True, user__activated_at__isnull=False).exists():
        raise PermissionDenied(f"This is the last owner of {merchant.name} who can sign in. Only the platform may take that role.")
