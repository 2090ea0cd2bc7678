"""Users are invited, changed and erased, by the platform. Synchronous."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from axes.models import AccessAttempt, AccessLog
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db import IntegrityError, transaction
from django.db.models import CASCADE
from django.db.models.fields.reverse_related import ManyToOneRel

from ledger_project.database.clock import database_now
from ledger_project.kernel.actors import Actor, PermissionDenied, Scope
from ledger_project.kernel.refusals import MerchantNotFound
from merchants.domain import fold
from merchants.selectors import identify_now
from people.domain import Role, UserExists, UserNotFound, UserStatus
from people.models import Membership, User
from people.selectors.users import known_users, with_email
from people.services.answers import new_answer_key
from people.services.mail import request_invitation

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class NewUser:
    """Somebody who is to be invited, with roles at merchants by their names."""

    email: str
    name: str
    memberships: Sequence[tuple[str, Role]] = ()


def check_may_change_users(actor: Actor) -> None:
    """Raise ``PermissionDenied`` for a caller without the scope to change users."""
    if Scope.USERS_WRITE not in actor.scopes:
        raise PermissionDenied.lacks(Scope.USERS_WRITE)


def _check_platform(actor: Actor) -> None:
    check_may_change_users(actor)
    actor.require_platform("A user belongs to no merchant. Inviting, changing and erasing users")


def create_user(new: NewUser, *, actor: Actor) -> UUID:
    """Invite a user: make the row, and have the mail sent; return the id.

    Raises ``UserExists``, ``MerchantNotFound`` and ``PermissionDenied``.
    """
    _check_platform(actor)
    merchants = identify_now(names=[name for name, _ in new.memberships])
    with transaction.atomic():
        user = insert_user(new.email, new.name)
        for name, role in new.memberships:
            merchant = merchants.merchant(name)
            if merchant is None:
                raise MerchantNotFound(name)
            Membership.objects.create(user=user, merchant_id=merchant.id, role=role.value)
    made: UUID = user.pk
    return made


def insert_user(email: str, name: str) -> User:
    """Make an invited user without memberships, and return it. Raises ``UserExists``."""
    user = User(username=fold(email), email=email, name=name, answer_key=new_answer_key())
    user.set_unusable_password()
    request_invitation(user)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError:
        taken = with_email(User.objects.all(), email).first() or User.objects.filter(username=fold(email)).first()
        if taken is None:
            raise
        raise UserExists(taken.pk) from None
    log.info("user.invited", user_id=str(user.pk))
    return user


def locked_user(user_id: UUID) -> User:
    """Lock a user. Raises ``UserNotFound``, also for one who was erased."""
    user = known_users().select_for_update(no_key=True).filter(pk=user_id).first()
    if user is None:
        raise UserNotFound(user_id)
    return user


def _locked_person(user_id: UUID) -> User:
    """Lock a user who is not of the staff. Raises ``UserNotFound`` and ``PermissionDenied``."""
    user = locked_user(user_id)
    if user.is_staff or user.is_superuser:
        raise PermissionDenied("This user is of the staff. Members of the staff are changed in the admin only.")
    return user


def change_user(user_id: UUID, values: Mapping[str, object], *, actor: Actor) -> None:
    """Change the members that are given: ``name``, and ``status`` (``active`` or ``suspended``).

    ``active`` ends a suspension; a user who has no password yet is invited again then.

    Raises ``UserNotFound`` and ``PermissionDenied``.
    """
    _check_platform(actor)
    with transaction.atomic():
        user = _locked_person(user_id)
        if "name" in values:
            user.name = str(values["name"])
        if "status" in values:
            user.is_active = values["status"] == UserStatus.ACTIVE
            request_invitation(user)
        user.save(update_fields=["name", "is_active", "mail_due_at", "mail_attempts"])
    log.info("user.changed", user_id=str(user_id), what=sorted(values), actor=actor.principal)


def invite_again(user_id: UUID, *, actor: Actor) -> None:
    """Have the invitation of a user who has no password yet sent once more.

    Raises ``UserNotFound`` and ``PermissionDenied``.
    """
    _check_platform(actor)
    with transaction.atomic():
        user = _locked_person(user_id)
        request_invitation(user)
        user.save(update_fields=["mail_due_at", "mail_attempts"])


def erase_user(user_id: UUID, *, actor: Actor) -> None:
    """Erase a person: address, name, password, devices, memberships, and stored answers.

    The row stays, empty, with the id that history refers to. The merchants and their history stay.

    Raises ``UserNotFound`` and ``PermissionDenied``.
    """
    _check_platform(actor)
    with transaction.atomic():
        user = _locked_person(user_id)
        _forget_attempts({user.username, user.email, fold(user.email)} - {""})
        for model, name in _rows_of_users():
            model._default_manager.filter(**{name: user.pk}).delete()
        _end_sessions(user)
        user.groups.clear()
        user.user_permissions.clear()
        user.username, user.email, user.name = f"erased-{user.pk}", "", ""
        user.is_active, user.activated_at, user.last_login = False, None, None
        user.answer_key, user.mail_due_at, user.erased_at = None, None, database_now()
        user.set_unusable_password()
        user.save()
    log.info("user.erased", user_id=str(user_id), actor=actor.principal)


def _rows_of_users() -> list[tuple[Any, str]]:
    """Return the models whose rows belong to one user, each with the name of its reference.

    Whatever app adds such a model, its rows go with the person. The record of changes stays: it has
    the ids of users, and not their names.
    """
    return [
        (relation.related_model, relation.field.name)
        for relation in User._meta.related_objects
        if isinstance(relation, ManyToOneRel) and relation.on_delete is CASCADE and relation.related_model is not LogEntry
    ]


def _forget_attempts(names: set[str]) -> None:
    """Forget the log-ins that were tried with these names."""
    for model in (AccessAttempt, AccessLog):
        model.objects.filter(username__in=names).delete()


def _end_sessions(user: User) -> None:
    """Delete a user's sessions. All are looked at: a session's user is inside of its text."""
    for session in Session.objects.iterator():
        if session.get_decoded().get("_auth_user_id") == str(user.pk):
            session.delete()
