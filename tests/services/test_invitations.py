"""Invitations by mail: sent once, after a crash again, and what their link is good for."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from smtplib import SMTPServerDisconnected
from typing import Any
from uuid import UUID

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection, connections

from ledger_project.database.fields import new_id
from ledger_project.kernel.actors import Actor, PermissionDenied, RateLimited
from ledger_project.kernel.refusals import MerchantNotFound
from merchants.domain import MerchantIdentity
from merchants.selectors import identify_now
from people.access.members import actor_of_member
from people.domain import Role
from people.models import Membership, User
from people.selectors.memberships import get_membership, list_memberships
from people.services import memberships
from people.services.activation import LIFETIME, activate_user, activation_token, invited_user
from people.services.mail import send_due_invitations
from people.services.memberships import invite_member, remove_membership
from people.services.users import NewUser, create_user
from tests.support.factories import unique
from transfers.domain.commands import Details, RegisterMerchant
from transfers.posting.synchronous import post_now

PLATFORM = Actor("test")


@pytest.fixture(autouse=True)
def outbox(ledger: None, settings: Any) -> None:
    """Collect mails, and forget those that other tests have requested."""
    del ledger
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    settings.LEDGER_PUBLIC_URL = "https://ledger.example"
    mail.outbox = []
    User.objects.filter(mail_due_at__isnull=False).update(mail_due_at=None)


def merchant() -> str:
    name = unique()
    post_now([RegisterMerchant(MerchantIdentity(new_id(), name), {}, None, 0, Details())])
    return name


def invited(**changes: Any) -> User:
    new = {"email": f"{unique('person')}@shop.example", "name": "Mira"} | changes
    return User.objects.get(pk=create_user(NewUser(**new), actor=PLATFORM))


def owner_of(name: str) -> Actor:
    """Return the caller of a page of the merchant's owner."""
    user = invited()
    activate_user(user.pk, "a long pass phrase")
    memberships.set_membership(user.pk, name, Role.OWNER, actor=PLATFORM)
    membership = get_membership(user.pk, name)
    assert membership is not None
    return actor_of_member(user, membership.merchant, membership.role)


def send() -> int:
    return send_due_invitations(lambda: False)


def test_an_invitation_is_mailed_once_and_its_link_gives_a_password() -> None:
    user = invited(name="Mira Ōe")
    assert send() == 1
    assert send() == 0
    (message,) = mail.outbox
    assert message.to == [user.email]
    assert "Mira Ōe" in str(message.body)
    found = re.search(r"https://ledger\.example/app/activate/(\S+)/\n", str(message.body))
    assert found is not None
    guest = invited_user(found[1])
    assert guest is not None
    assert guest.pk == user.pk
    assert activate_user(user.pk, "a long pass phrase")
    assert not activate_user(user.pk, "another pass phrase")
    assert invited_user(found[1]) is None
    user.refresh_from_db()
    assert user.check_password("a long pass phrase")
    assert user.status == "active"


def test_of_several_processes_one_sends(posting_thread: ThreadPoolExecutor) -> None:
    invited()
    others = [posting_thread.submit(send) for _ in range(2)]
    assert send() + sum(other.result() for other in others) == 1
    assert len(mail.outbox) == 1


def test_a_mail_that_was_claimed_by_a_process_that_died_is_sent_when_its_lease_is_over() -> None:
    user = invited()

    def die() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _send_with(die)
    assert send() == 0, "the lease holds"
    User.objects.filter(pk=user.pk).update(mail_due_at="2026-01-01T00:00:00Z")
    assert send() == 1


def _send_with(fault: Any) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EmailBackend, "send_messages", lambda _self, _messages: fault())
        return send()


def test_a_mail_server_that_fails_is_tried_again_later_and_not_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    user = invited()

    def fail() -> int:
        raise SMTPServerDisconnected(user.email)

    for attempt in range(1, 13):
        User.objects.filter(pk=user.pk).update(mail_due_at="2026-01-01T00:00:00Z")
        assert _send_with(fail) == 0
        user.refresh_from_db()
        assert user.mail_attempts == attempt
    assert user.mail_due_at is None
    assert user.email not in caplog.text


@pytest.mark.parametrize("change", [{"is_active": False}, {"activated_at": "2026-01-01T00:00:00Z"}, {"email": ""}])
def test_nobody_is_invited_who_is_suspended_or_has_a_password_or_no_address(change: dict[str, Any]) -> None:
    user = invited()
    User.objects.filter(pk=user.pk).update(**change)
    assert send() == 0
    assert mail.outbox == []
    user.refresh_from_db()
    assert user.mail_due_at is None


def test_a_link_is_good_for_three_days_for_its_address_and_not_while_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    user = invited()
    token = activation_token(user)
    assert invited_user(token) is not None
    for wrong in ("", "x", token[:-1], token + "x", token.replace(":", ""), "é", "\x00"):
        assert invited_user(wrong) is None
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert invited_user(token) is None
    assert not activate_user(user.pk, "a long pass phrase")
    User.objects.filter(pk=user.pk).update(is_active=True, email=f"{unique('other')}@shop.example")
    assert invited_user(token) is None, "it was sent to another address"
    token = activation_token(User.objects.get(pk=user.pk))
    now = time.time()
    monkeypatch.setattr("django.core.signing.time.time", lambda: now + LIFETIME.total_seconds() - 60)
    assert invited_user(token) is not None
    monkeypatch.setattr("django.core.signing.time.time", lambda: now + LIFETIME.total_seconds() + 2)
    assert invited_user(token) is None


# --- owners invite --------------------------------------------------------------------------------


def test_an_owner_invites_somebody_new_and_somebody_known_alike() -> None:
    name = merchant()
    owner, known = owner_of(name), invited()
    send()
    mail.outbox = []
    first = invite_member(name.upper(), email=f"{unique('new')}@shop.example", name="Ada", role=Role.VIEWER, actor=owner)
    second = invite_member(name, email=known.email.upper(), name="Other", role=Role.OPERATOR, actor=owner)
    assert second == known.pk
    assert {one.user_id: one.role for one in Membership.objects.filter(user_id__in=[first, second])} == {
        first: Role.VIEWER,
        second: Role.OPERATOR,
    }
    assert send() == 2, "who has no password yet gets the link once more"
    known.refresh_from_db()
    assert known.name == "Mira"
    again = invite_member(name, email=known.email, name="", role=Role.VIEWER, actor=owner)
    assert again == known.pk
    assert Membership.objects.filter(user=known).count() == 1


def test_who_is_no_owner_invites_nobody() -> None:
    name, other = merchant(), merchant()
    user = invited()
    for role in (Role.OPERATOR, Role.VIEWER):
        memberships.set_membership(user.pk, name, role, actor=PLATFORM)
        membership = get_membership(user.pk, name)
        assert membership is not None
        actor = actor_of_member(user, membership.merchant, membership.role)
        for change in (
            lambda actor=actor: invite_member(name, email="x@shop.example", name="X", role=Role.VIEWER, actor=actor),
            lambda actor=actor: remove_membership(user.pk, name, actor=actor),
            lambda actor=actor: create_user(NewUser("x@shop.example", "X"), actor=actor),
        ):
            with pytest.raises(PermissionDenied):
                change()
    with pytest.raises(MerchantNotFound):
        invite_member(other, email="x@shop.example", name="X", role=Role.VIEWER, actor=owner_of(name))
    assert not User.objects.filter(email="x@shop.example").exists()


def test_a_merchant_cannot_write_to_many_strangers() -> None:
    name = merchant()
    owner = owner_of(name)
    for _ in range(30):
        invite_member(name, email=f"{unique('new')}@shop.example", name="X", role=Role.VIEWER, actor=owner)
    with pytest.raises(RateLimited):
        invite_member(name, email=f"{unique('new')}@shop.example", name="X", role=Role.VIEWER, actor=owner)


def test_a_suspended_user_is_nobodys_member() -> None:
    name, other = merchant(), merchant()
    user = invited(memberships=[(name, Role.OWNER), (other, Role.VIEWER)])
    assert [one.merchant.name for one in list_memberships(user.pk)] == [name, other]
    assert get_membership(user.pk, "no name!") is None
    assert get_membership(UUID(int=1), name) is None
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert list_memberships(user.pk) == []
    assert get_membership(user.pk, name) is None


def test_the_caller_of_a_members_page_has_no_personal_data() -> None:
    name = merchant()
    actor = owner_of(name)
    found = identify_now(names=[name]).merchant(name)
    assert found is not None
    assert actor.merchant_id == found.id
    assert re.fullmatch(r"user:[0-9a-f-]{36}", actor.principal)
    assert actor.owner == f"merchant:{found.id}"


def test_the_database_refuses_a_second_address_an_unknown_role_and_an_erased_user_with_a_name() -> None:
    user = invited()
    for statement in (
        f"UPDATE people_user SET erased_at = now() WHERE id = '{user.pk}'",
        f"UPDATE people_membership SET role = 'king' WHERE id = '{_some_membership()}'",
    ):
        with pytest.raises(Exception, match="violates check constraint"), connection.cursor() as cursor:
            cursor.execute(statement)
    twin = User(username=unique(), email=user.email.upper())
    with pytest.raises(Exception, match="user_email_unique"):
        twin.save(force_insert=True)
    connections.close_all()


def _some_membership() -> UUID:
    name = merchant()
    invited(memberships=[(name, Role.OWNER)])
    found: UUID = Membership.objects.latest("id").pk
    return found
