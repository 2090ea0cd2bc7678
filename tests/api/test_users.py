"""``/users``: inviting, finding, changing and erasing people, and their memberships."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session

from ledger_project.database.readers import in_reader
from ledger_project.kernel.actors import MERCHANT_SCOPES, Scope
from people.access.authentication import forget_credentials
from people.domain import ROLE_SCOPES, Role
from people.models import Membership, User
from people.services.activation import activate_user
from tests.api.test_authorization import bearer, new_key
from tests.support.factories import key, merchant, unique
from transfers.models import IdempotencyRecord


@pytest.fixture
def required(settings: Any) -> Iterator[Any]:
    settings.LEDGER_AUTH = "required"
    forget_credentials()
    yield settings
    forget_credentials()


def address() -> str:
    return f"{unique('person')}@shop.example"


async def invite(api: httpx.AsyncClient, *merchants: str, role: str = "owner", email: str | None = None, **headers: str) -> dict[str, Any]:
    memberships = [{"merchant_name": name, "role": role} for name in merchants]
    response = await api.post("/users", json={"email": email or address(), "name": "Mira", "merchants": memberships}, headers=headers)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def active(api: httpx.AsyncClient, *merchants: str, role: str = "owner") -> dict[str, Any]:
    made = await invite(api, *merchants, role=role)
    assert await in_reader(activate_user, UUID(made["id"]), "a long pass phrase")
    return made


async def test_a_user_is_invited_with_roles_at_merchants(api: httpx.AsyncClient) -> None:
    shop, stall, email = await merchant(api), await merchant(api), address()
    body = {"email": email, "name": "Mira Ōe", "merchants": [{"merchant_name": shop}, {"merchant_name": stall.upper(), "role": "viewer"}]}
    response = await api.post("/users", json=body)
    assert response.status_code == 201, response.text
    made = response.json()
    assert list(made) == ["id", "email", "name", "status", "memberships", "created_at"]
    assert (made["email"], made["name"], made["status"]) == (email, "Mira Ōe", "invited")
    assert made["memberships"] == [{"merchant_name": shop, "role": "owner"}, {"merchant_name": stall, "role": "viewer"}]
    assert (await api.get(f"/users/{made['id']}")).json() == made
    stored = await in_reader(User.objects.get, pk=UUID(made["id"]))
    assert not stored.has_usable_password()
    assert not stored.is_staff
    assert not stored.is_superuser
    assert stored.mail_due_at is not None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "no address"}, "email"),
        ({"email": "a@b.example\r\nBcc: x@y.example"}, "email"),
        ({"email": None}, "email"),
        ({"name": " "}, "name"),
        ({"name": "A\nB"}, "name"),
        ({"merchants": [{"merchant_name": "shop", "role": "admin"}]}, "merchants.0.role"),
        ({"merchants": [{"role": "owner"}]}, "merchants.0.merchant_name"),
        ({"merchants": [{"merchant_name": "shop"}, {"merchant_name": "SHOP"}]}, "merchants"),
        ({"merchants": [{"merchant_name": f"shop{number}"} for number in range(101)]}, "merchants"),
        ({"status": "active"}, "status"),
        ({"is_superuser": True}, "is_superuser"),
    ],
)
async def test_what_is_wrong_with_an_invitation_is_named(api: httpx.AsyncClient, change: dict[str, Any], field: str) -> None:
    response = await api.post("/users", json={"email": address(), "name": "Mira"} | change)
    assert (response.status_code, response.json()["code"]) == (422, "validation_error")
    assert field in {error["field"] for error in response.json()["errors"]}


async def test_an_address_is_taken_once_regardless_of_case(api: httpx.AsyncClient) -> None:
    email = address()
    made = await invite(api, email=email)
    taken = await api.post("/users", json={"email": email.upper(), "name": "Somebody"})
    assert (taken.status_code, taken.json()["code"], taken.json()["user_id"]) == (409, "user_exists", made["id"])
    assert email not in taken.text
    tries = [api.post("/users", json={"email": other, "name": "Twin"}) for other in [address()] * 5]
    assert sorted(answer.status_code for answer in await asyncio.gather(*tries)) == [201, 409, 409, 409, 409]


async def test_an_unknown_merchant_leaves_nobody_invited(api: httpx.AsyncClient) -> None:
    email, headers = address(), key()
    body = {"email": email, "name": "Mira", "merchants": [{"merchant_name": await merchant(api)}, {"merchant_name": "nobody-here"}]}
    refused = await api.post("/users", json=body, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (404, "merchant_not_found")
    again = await api.post("/users", json=body, headers=headers)
    assert (again.content, again.headers["idempotent-replayed"]) == (refused.content, "true")
    assert not await in_reader(User.objects.filter(email=email).exists)


async def test_one_key_invites_once_and_shows_the_first_answer_whatever_changed(api: httpx.AsyncClient) -> None:
    body, headers = {"email": address(), "name": "Mira"}, key()
    first = await api.post("/users", json=body, headers=headers)
    await api.patch(f"/users/{first.json()['id']}", json={"name": "Mira Ōe"})
    again = await api.post("/users", json=body, headers=headers)
    assert (again.status_code, again.content, again.headers["idempotent-replayed"]) == (201, first.content, "true")
    other = await api.post("/users", json=body | {"name": "Other"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")


async def test_users_are_listed_by_pages_and_found_by_their_filters(api: httpx.AsyncClient) -> None:
    shop = await merchant(api)
    made = [await invite(api, shop) for _ in range(5)]
    await api.patch(f"/users/{made[0]['id']}", json={"status": "suspended"})
    await in_reader(activate_user, UUID(made[1]["id"]), "a long pass phrase")

    async def listed(**query: str) -> list[str]:
        found, cursor = [], ""
        while cursor is not None:
            page = (await api.get("/users", params=query | {"limit": "2"} | ({"cursor": cursor} if cursor else {}))).json()
            found += [item["id"] for item in page["items"]]
            cursor = page["next_cursor"]
        return found

    newest_first = [one["id"] for one in reversed(made)]
    assert await listed(merchant=shop.upper()) == newest_first
    assert await listed(merchant=shop, status="suspended") == [made[0]["id"]]
    assert await listed(merchant=shop, status="active") == [made[1]["id"]]
    assert await listed(merchant=shop, status="invited") == newest_first[:3]
    assert await listed(email=made[2]["email"].upper()) == [made[2]["id"]]
    assert await listed(email=made[2]["email"], status="active") == []
    assert await listed(merchant="nobody-here") == []
    assert (await api.get("/users", params={"status": "erased"})).status_code == 422
    assert (await api.get("/users", params={"name": "Mira"})).status_code == 422


async def test_a_user_is_renamed_suspended_and_active_again(api: httpx.AsyncClient) -> None:
    made = await active(api, await merchant(api))
    path = f"/users/{made['id']}"
    assert (await api.patch(path, json={"name": "Ada"})).json() == made | {"name": "Ada", "status": "active"}
    assert (await api.patch(path, json={"status": "suspended"})).json()["status"] == "suspended"
    assert (await api.patch(path, json={})).json()["status"] == "suspended"
    assert (await api.patch(path, json={"status": "active"})).json()["status"] == "active"
    assert (await api.patch(path, json={"status": "invited"})).status_code == 422
    assert (await api.patch(path, json={"email": address()})).status_code == 422
    missing = await api.patch(f"/users/{uuid4()}", json={"name": "Ada"})
    assert (missing.status_code, missing.json()["code"]) == (404, "user_not_found")


async def test_an_invited_user_who_becomes_active_again_gets_another_mail(api: httpx.AsyncClient) -> None:
    made = await invite(api)
    user = await in_reader(User.objects.get, pk=UUID(made["id"]))
    await in_reader(User.objects.filter(pk=user.pk).update, mail_due_at=None)
    await api.patch(f"/users/{made['id']}", json={"status": "suspended"})
    assert (await in_reader(User.objects.get, pk=user.pk)).mail_due_at is None
    assert (await api.patch(f"/users/{made['id']}", json={"status": "active"})).json()["status"] == "invited"
    assert (await in_reader(User.objects.get, pk=user.pk)).mail_due_at is not None


async def test_memberships_are_given_changed_and_taken(api: httpx.AsyncClient) -> None:
    shop, made = await merchant(api), await invite(api)
    path = f"/users/{made['id']}/memberships"
    given = await api.post(path, json={"merchant_name": shop.upper(), "role": "viewer"})
    assert (given.status_code, given.json()) == (201, {"merchant_name": shop, "role": "viewer"})
    changed = await api.post(path, json={"merchant_name": shop, "role": "operator"})
    assert (changed.status_code, changed.json()) == (201, {"merchant_name": shop, "role": "operator"})
    assert (await api.get(f"/users/{made['id']}")).json()["memberships"] == [{"merchant_name": shop, "role": "operator"}]
    assert (await api.delete(f"{path}/{shop.upper()}")).status_code == 204
    assert (await api.get(f"/users/{made['id']}")).json()["memberships"] == []
    for method, url, body, code in (
        ("DELETE", f"{path}/{shop}", None, "user_not_found"),
        ("DELETE", f"{path}/nobody-here", None, "merchant_not_found"),
        ("DELETE", f"/users/{uuid4()}/memberships/{shop}", None, "user_not_found"),
        ("POST", f"/users/{uuid4()}/memberships", {"merchant_name": shop, "role": "owner"}, "user_not_found"),
        ("POST", "/users/x/memberships", {"merchant_name": shop, "role": "owner"}, "user_not_found"),
        ("POST", path, {"merchant_name": "nobody-here", "role": "owner"}, "merchant_not_found"),
    ):
        response = await api.request(method, url, json=body)
        assert (response.status_code, response.json()["code"]) == (404, code), url
    assert (await api.post(path, json={"merchant_name": shop})).status_code == 422


async def test_a_membership_is_given_once_by_many_at_once(api: httpx.AsyncClient) -> None:
    shop, made = await merchant(api), await invite(api)
    body = {"merchant_name": shop, "role": "viewer"}
    answers = await asyncio.gather(*[api.post(f"/users/{made['id']}/memberships", json=body) for _ in range(6)])
    assert {answer.status_code for answer in answers} == {201}
    assert await in_reader(Membership.objects.filter(user_id=UUID(made["id"])).count) == 1


# --- a merchant's own people ----------------------------------------------------------------------


async def test_a_merchant_sees_its_members_and_only_their_role_with_it(api: httpx.AsyncClient, required: Any) -> None:
    required.LEDGER_AUTH = "open"
    shop, stall = await merchant(api), await merchant(api)
    both, other = await invite(api, shop, stall), await invite(api, stall)
    own = bearer((await new_key(shop)).secret)
    required.LEDGER_AUTH = "required"
    seen = (await api.get(f"/users/{both['id']}", headers=own)).json()
    assert seen["memberships"] == [{"merchant_name": shop, "role": "owner"}]
    assert (await api.get("/users", headers=own)).json()["items"] == [seen]
    assert (await api.get("/users", params={"merchant": stall}, headers=own)).json()["items"] == []
    assert (await api.get("/users", params={"email": other["email"]}, headers=own)).json()["items"] == []
    for user_id in (other["id"], uuid4()):
        response = await api.get(f"/users/{user_id}", headers=own)
        assert (response.status_code, response.json()["code"]) == (404, "user_not_found")


async def test_a_merchant_changes_the_memberships_of_its_own_only(api: httpx.AsyncClient, required: Any) -> None:
    required.LEDGER_AUTH = "open"
    shop, stall = await merchant(api), await merchant(api)
    made = await active(api, shop, stall)
    own = bearer((await new_key(shop)).secret)
    required.LEDGER_AUTH = "required"
    path = f"/users/{made['id']}/memberships"
    for method, url, body in (("POST", path, {"merchant_name": stall, "role": "viewer"}), ("DELETE", f"{path}/{stall}", None)):
        response = await api.request(method, url, json=body, headers=own)
        assert (response.status_code, response.json()["code"]) == (404, "merchant_not_found")
    for method, url, body in (
        ("POST", "/users", {"email": address(), "name": "Mira"}),
        ("PATCH", f"/users/{made['id']}", {"name": "Mallory"}),
        ("DELETE", f"/users/{made['id']}", None),
    ):
        response = await api.request(method, url, json=body, headers=own)
        assert (response.status_code, response.json()["code"]) == (403, "permission_denied"), url


async def test_only_the_platform_takes_the_role_of_the_last_owner_who_can_sign_in(api: httpx.AsyncClient, required: Any) -> None:
    required.LEDGER_AUTH = "open"
    shop = await merchant(api)
    first, second = await active(api, shop), await invite(api, shop)
    own, platform = bearer((await new_key(shop)).secret), bearer((await new_key()).secret)
    required.LEDGER_AUTH = "required"
    path = f"/users/{first['id']}/memberships"
    for method, url, body in (("DELETE", f"{path}/{shop}", None), ("POST", path, {"merchant_name": shop, "role": "viewer"})):
        refused = await api.request(method, url, json=body, headers=own)
        assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert (await api.delete(f"/users/{second['id']}/memberships/{shop}", headers=own)).status_code == 204
    assert (await api.delete(f"{path}/{shop}", headers=platform)).status_code == 204


async def test_of_two_owners_who_remove_each_other_at_once_one_stays(api: httpx.AsyncClient, required: Any) -> None:
    for _ in range(5):
        required.LEDGER_AUTH = "open"
        shop = await merchant(api)
        pair = [await active(api, shop) for _ in range(2)]
        own = bearer((await new_key(shop)).secret)
        required.LEDGER_AUTH = "required"
        answers = await asyncio.gather(*[api.delete(f"/users/{one['id']}/memberships/{shop}", headers=own) for one in pair])
        assert sorted(answer.status_code for answer in answers) == [204, 403]


def test_the_scopes_of_roles() -> None:
    assert ROLE_SCOPES[Role.OWNER] == MERCHANT_SCOPES
    assert ROLE_SCOPES[Role.OPERATOR] - ROLE_SCOPES[Role.VIEWER] == {Scope.TRANSFERS_WRITE}
    assert all(scope.value.endswith(":read") for scope in ROLE_SCOPES[Role.VIEWER])
    for role in (Role.OPERATOR, Role.VIEWER):
        assert not ROLE_SCOPES[role] & {Scope.USERS_READ, Scope.USERS_WRITE, Scope.OPERATIONS_READ}


# --- erasing --------------------------------------------------------------------------------------


def _traces(words: list[str]) -> list[str]:
    """Return the tables in which one of these words stands somewhere."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'")
        tables = [row[0] for row in cursor.fetchall()]
        found = []
        for table, word in itertools.product(tables, words):
            cursor.execute(f'SELECT 1 FROM "{table}" AS t WHERE strpos(lower(t::text), %s) > 0 LIMIT 1', [word.lower()])
            if cursor.fetchone():
                found.append(table)
    return found


def _sign_in_somewhere(user: User) -> None:
    from axes.models import AccessAttempt

    session = SessionStore()
    session["_auth_user_id"] = str(user.pk)
    session.save()
    AccessAttempt.objects.create(username=user.email, ip_address="192.0.2.1", failures_since_start=1)


async def test_nothing_of_an_erased_person_is_left_in_any_table(api: httpx.AsyncClient) -> None:
    shop, email, name = await merchant(api), address(), unique("Mira")
    headers = key()
    body = {"email": email, "name": name, "merchants": [{"merchant_name": shop}]}
    made = (await api.post("/users", json=body, headers=headers)).json()
    await api.post("/users", json=body, headers=key())  # user_exists, kept under its key
    await in_reader(activate_user, UUID(made["id"]), "a long pass phrase")
    user = await in_reader(User.objects.get, pk=UUID(made["id"]))
    await in_reader(_sign_in_somewhere, user)
    assert "people_user" in await in_reader(_traces, [email, name])
    assert not set(await in_reader(_traces, [email, name])) - {"people_user", "axes_accessattempt"}
    assert (await api.delete(f"/users/{made['id']}")).status_code == 204
    assert await in_reader(_traces, [email, name]) == []
    assert not await in_reader(Membership.objects.filter(user_id=user.pk).exists)
    sessions = await in_reader(lambda: [session.get_decoded() for session in Session.objects.all()])
    assert not [one for one in sessions if one.get("_auth_user_id") == str(user.pk)]
    gone = await in_reader(User.objects.get, pk=user.pk)
    assert (gone.email, gone.name, gone.is_active, gone.answer_key, gone.activated_at) == ("", "", False, None, None)
    for response in (await api.get(f"/users/{made['id']}"), await api.delete(f"/users/{made['id']}")):
        assert (response.status_code, response.json()["code"]) == (404, "user_not_found")
    assert made["id"] not in {one["id"] for one in (await api.get("/users", params={"limit": "200"})).json()["items"]}
    assert (await api.get(f"/merchants/{shop}")).status_code == 200


async def test_a_key_whose_person_was_erased_invites_nobody_again(api: httpx.AsyncClient) -> None:
    body, headers = {"email": address(), "name": "Mira"}, key()
    made = (await api.post("/users", json=body, headers=headers)).json()
    await api.delete(f"/users/{made['id']}")
    again = await api.post("/users", json=body, headers=headers)
    assert (again.status_code, again.json()["code"], again.headers["idempotent-replayed"]) == (404, "user_not_found", "true")
    assert not await in_reader(User.objects.filter(email=body["email"]).exists)
    assert (await api.post("/users", json=body, headers=key())).status_code == 201


async def test_the_address_stands_in_no_stored_answer(api: httpx.AsyncClient) -> None:
    email, headers = address(), key()
    await invite(api, email=email, **headers)
    stored = await in_reader(IdempotencyRecord.objects.get, key=headers["Idempotency-Key"])
    assert email not in stored.body


async def test_members_of_the_staff_are_neither_changed_nor_erased_by_the_api(api: httpx.AsyncClient) -> None:
    staff = await in_reader(User.objects.create_user, unique("staff"), email=address(), is_staff=True)
    for method, body in (("PATCH", {"status": "suspended"}), ("DELETE", None)):
        response = await api.request(method, f"/users/{staff.pk}", json=body)
        assert (response.status_code, response.json()["code"]) == (403, "permission_denied")
    assert (await in_reader(User.objects.get, pk=staff.pk)).is_active


async def test_the_user_of_api_credentials_is_no_person(api: httpx.AsyncClient) -> None:
    shop = await merchant(api)
    await api.post(f"/merchants/{shop}/freeze", json={"reason": "a test"})
    stand_in = (await in_reader(LogEntry.objects.select_related("user").latest, "id")).user
    assert (await api.get(f"/users/{stand_in.pk}")).status_code == 404
    assert (await api.delete(f"/users/{stand_in.pk}")).status_code == 404
