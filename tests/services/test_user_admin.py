"""Users in the admin: invited, suspended, erased, with their memberships; and who may do that."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from merchants.models import Merchant
from people.models import Membership, User
from tests.support.factories import unique

LIST = "/admin/people/user/"


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def root() -> Client:
    return client_of(User.objects.create_superuser(unique("root")))


def staff_with(*permissions: str) -> Client:
    user = User.objects.create_user(unique("staff"), is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="people", codename__in=permissions))
    return client_of(user)


def person(**changes: object) -> User:
    email = f"{unique('person')}@shop.example"
    return User.objects.create_user(email, email=email, **({"password": "a long pass phrase", "name": "Mira"} | changes))


def page(user: User, verb: str = "change") -> str:
    return reverse("admin:people_user_change", args=[user.pk]) if verb == "change" else f"{LIST}{user.pk}/{verb}/"


def answer(client: Client, user: User, verb: str) -> int:
    """Open the question of an action, and confirm it."""
    assert client.get(page(user, verb)).status_code == 200
    return client.post(page(user, verb), {"reason": "asked for", "token": unique()}).status_code


def sent(user: User, **changes: object) -> dict[str, object]:
    """Return the form of a user's page as a browser sends it."""
    rows = list(user.memberships.select_related("merchant"))
    form: dict[str, object] = {
        "username": user.username, "name": user.name, "email": user.email, "is_active": "on",
        "memberships-TOTAL_FORMS": len(rows), "memberships-INITIAL_FORMS": len(rows), "memberships-MIN_NUM_FORMS": 0,
        "memberships-MAX_NUM_FORMS": 1000,
    }  # fmt: skip
    for number, row in enumerate(rows):
        form |= {
            f"memberships-{number}-id": str(row.pk),
            f"memberships-{number}-user": str(user.pk),
            f"memberships-{number}-role": row.role,
        }
    return form | changes


def test_somebody_is_invited_with_a_role_at_a_merchant(root: Client) -> None:
    merchant, email = Merchant.objects.create(name=unique()), f"{unique('new')}@shop.example"
    form = {"email": email, "name": "Ada", "merchant": merchant.name.upper(), "role": "operator"}
    assert root.get(LIST + "invite/").status_code == 200
    assert root.post(LIST + "invite/", form).status_code == 302
    user = User.objects.get(email=email)
    assert (user.status, user.is_staff, user.memberships.get().role) == ("invited", False, "operator")
    assert user.mail_due_at is not None
    for wrong in (form, form | {"email": "x"}, form | {"email": f"{unique()}@shop.example", "merchant": "nobody-here"}):
        assert root.post(LIST + "invite/", wrong).status_code == 200
    assert User.objects.filter(email=email).count() == 1


def test_a_user_is_suspended_active_again_and_invited_once_more(root: Client) -> None:
    user = person()
    assert answer(root, user, "suspend") == 302
    user.refresh_from_db()
    assert user.status == "suspended"
    assert answer(root, user, "activate") == 302
    user.refresh_from_db()
    assert user.status == "active"
    guest = person(password=None)
    assert answer(root, guest, "invite_again") == 302
    guest.refresh_from_db()
    assert guest.mail_due_at is not None


def test_the_page_of_a_user_offers_what_the_state_allows(root: Client) -> None:
    def offered(user: User) -> set[str]:
        text = root.get(page(user)).content.decode()
        return {verb for verb in ("invite_again", "suspend", "activate", "erase") if f"/{user.pk}/{verb}" in text}

    assert offered(person()) == {"suspend", "erase"}
    assert offered(person(password=None)) == {"invite_again", "suspend", "erase"}
    assert offered(person(is_active=False)) == {"activate", "erase"}
    assert offered(User.objects.create_user(unique("staff"), is_staff=True)) == set()


def test_memberships_are_rows_of_the_user_with_the_merchant_by_its_name(root: Client) -> None:
    user, merchant = person(), Merchant.objects.create(name=unique())
    row = {
        "memberships-TOTAL_FORMS": 1,
        "memberships-0-merchant": merchant.name,
        "memberships-0-role": "viewer",
        "memberships-0-user": user.pk,
    }
    assert root.post(page(user), sent(user, **row)).status_code == 302
    assert user.memberships.get().merchant_id == merchant.id
    assert merchant.name in root.get(page(user)).content.decode()
    changed = {"memberships-0-role": "owner", "memberships-0-merchant": "treasury"}
    assert root.post(page(user), sent(user, **changed)).status_code == 302
    assert (user.memberships.get().role, user.memberships.get().merchant_id) == ("owner", merchant.id), "the merchant of a row stays"
    twice = {
        "memberships-TOTAL_FORMS": 2,
        "memberships-1-merchant": merchant.name,
        "memberships-1-role": "viewer",
        "memberships-1-user": user.pk,
    }
    assert root.post(page(user), sent(user, **twice)).status_code == 200
    missing = twice | {"memberships-1-merchant": "nobody-here"}
    assert "There is no merchant named" in root.post(page(user), sent(user, **missing)).content.decode()
    assert root.post(page(user), sent(user, **{"memberships-0-DELETE": "on"})).status_code == 302
    assert not Membership.objects.filter(user=user).exists()


def test_the_address_of_a_person_is_the_user_name(root: Client) -> None:
    user, email = person(), f"{unique('New')}@shop.example"
    assert root.post(page(user), sent(user, email=email)).status_code == 302
    user.refresh_from_db()
    assert (user.email, user.username) == (email, email.lower())
    other = person()
    assert root.post(page(other), sent(other, email=email.upper())).status_code == 200


def test_a_person_is_erased_with_a_reason_and_no_record_names_the_person(root: Client) -> None:
    user = person(name=unique("Mira"))
    email, name = user.email, user.name
    root.post(page(user), sent(user, name=name + "!"))
    assert answer(root, user, "erase") == 302
    user.refresh_from_db()
    assert (user.email, user.name, user.is_active) == ("", "", False)
    assert root.get(page(user)).status_code in {302, 404}
    records = LogEntry.objects.filter(object_id=str(user.pk))
    assert records.count() == 2
    for record in records:
        assert email not in record.object_repr + record.change_message
        assert name not in record.object_repr + record.change_message
    assert answer_of_get(root, user) in {302, 404}


def answer_of_get(client: Client, user: User) -> int:
    return client.get(page(user, "erase")).status_code


# --- who may do that ------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["invite_again", "suspend", "activate", "erase"])
def test_without_the_permission_nothing_is_changed(verb: str) -> None:
    user = person(password=None)
    for client in (staff_with(), staff_with("view_user")):
        assert client.get(page(user, verb)).status_code == 403
        assert client.post(page(user, verb), {"reason": "x", "token": "x"}).status_code == 403
    before = User.objects.filter(pk=user.pk).values().get()
    assert before["is_active"]
    assert before["erased_at"] is None
    assert staff_with("view_user").get(LIST + "invite/").status_code == 403


def test_who_may_change_people_gets_no_further() -> None:
    client = staff_with(
        "view_user", "change_user", "add_user", "view_membership", "add_membership", "change_membership", "delete_membership"
    )
    colleague, user = User.objects.create_user(unique("staff"), is_staff=True), person()
    assert client.post(page(colleague), sent(colleague, name="Mallory")).status_code == 403
    for verb in ("suspend", "activate", "invite_again"):
        assert client.post(page(colleague, verb), {"reason": "x", "token": "x"}).status_code == 403
    rights = {"is_staff": "on", "is_superuser": "on", "username": "mallory", "name": "Ada"}
    assert client.post(page(user), sent(user, **rights)).status_code == 302
    user.refresh_from_db()
    assert (user.name, user.is_staff, user.is_superuser, user.username) == ("Ada", False, False, user.email)
    assert client.get(f"{LIST}{user.pk}/password/").status_code == 403
    assert client.get(f"{LIST}add/").status_code == 403
    assert client.get(page(user, "erase")).status_code == 403
    assert client.get(LIST + "invite/").status_code == 200


def test_a_member_of_the_staff_is_not_erased_by_mistake(root: Client) -> None:
    colleague = User.objects.create_user(unique("staff"), is_staff=True, email=f"{unique()}@ledger.example")
    response = root.post(page(colleague, "erase"), {"reason": "x", "token": "x"})
    assert response.status_code == 200
    assert "of the staff" in response.content.decode()
    colleague.refresh_from_db()
    assert colleague.email


def test_the_user_of_api_credentials_has_no_page(root: Client) -> None:
    stand_in, _ = User.objects.get_or_create(username="API credentials", defaults={"is_active": False})
    assert root.get(page(stand_in)).status_code in {302, 404}


def test_a_member_of_the_staff_is_made_with_a_password_and_is_active(root: Client) -> None:
    name = unique("operator")
    form = {"username": name, "usable_password": "true", "password1": "a long pass phrase", "password2": "a long pass phrase"}
    assert root.post(f"{LIST}add/", form).status_code == 302
    assert User.objects.get(username=name).status == "active"
