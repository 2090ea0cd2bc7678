"""Tokens of members: for one merchant, with the scopes of the role, as long as the membership lasts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest

from ledger_project.database.readers import in_reader
from people.domain import ROLE_SCOPES, Role
from people.models import Membership, User
from people.services.activation import activate_user
from people.views.tokens import release_attempts
from tests.api import test_tokens
from tests.api.test_authorization import bearer
from tests.support.factories import merchant, transfer, unique, wallet
from tests.support.second_factors import code_of, enrol

required, PASSWORD = test_tokens.required, test_tokens.PASSWORD


async def member(api: httpx.AsyncClient, settings: Any, role: str, *merchants: str) -> User:
    """Make somebody who has this role at these merchants and can sign in."""
    settings.LEDGER_AUTH = "open"
    roles = [{"merchant_name": name, "role": role} for name in merchants]
    body = {"email": f"{unique('Member')}@shop.example", "name": "Mira", "merchants": roles}
    user_id = UUID((await api.post("/users", json=body)).json()["id"])
    assert await in_reader(activate_user, user_id, PASSWORD)
    settings.LEDGER_AUTH = "required"
    return await in_reader(User.objects.get, pk=user_id)


async def open_merchant(api: httpx.AsyncClient, settings: Any, balance: str = "100.00") -> str:
    settings.LEDGER_AUTH = "open"
    name = await merchant(api, balance)
    settings.LEDGER_AUTH = "required"
    return name


async def ask(api: httpx.AsyncClient, user: User, **more: str) -> httpx.Response:
    release_attempts()
    return await api.post("/auth/token", json={"email": user.email, "password": PASSWORD, **more})


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


@pytest.mark.parametrize("role", list(Role))
async def test_a_token_has_the_scopes_of_the_role_and_acts_for_its_merchant(api: httpx.AsyncClient, required: Any, role: Role) -> None:
    own, other = await open_merchant(api, required), await open_merchant(api, required)
    answer = await ask(api, await member(api, required, role.value, own))
    assert answer.status_code == 200, answer.text
    assert set(answer.json()["scope"].split()) == {scope.value for scope in ROLE_SCOPES[role]}
    headers = bearer(answer.json()["access"])
    assert (await api.get(f"/merchants/{own}", headers=headers)).status_code == 200
    assert code(await api.get(f"/merchants/{other}", headers=headers)) == (404, "merchant_not_found")
    pays = await transfer(api, own, other, 100, headers={**headers, "Idempotency-Key": unique()})
    assert pays.status_code == (403 if role is Role.VIEWER else 201)
    assert (await api.get("/users", headers=headers)).status_code == (200 if role is Role.OWNER else 403)
    assert (await api.get("/metrics", headers=headers)).status_code == 403
    foreign = await transfer(api, other, own, 100, headers={**headers, "Idempotency-Key": unique()})
    assert foreign.status_code == (403 if role is Role.VIEWER else 404)


async def test_the_journal_has_the_id_of_a_member_and_nothing_personal(api: httpx.AsyncClient, required: Any) -> None:
    from transfers.models import Transfer

    own, other = await open_merchant(api, required), await open_merchant(api, required)
    user = await member(api, required, "operator", own)
    headers = bearer((await ask(api, user)).json()["access"])
    made = await transfer(api, own, other, 100, headers={**headers, "Idempotency-Key": unique()})
    stored = await in_reader(Transfer.objects.get, id=made.json()["id"])
    assert stored.principal == f"jwt:user-{user.pk}"
    account = await api.get(f"/accounts/{await _wallet(api, required, own)}", headers=headers)
    assert account.status_code == 200


async def _wallet(api: httpx.AsyncClient, settings: Any, name: str) -> str:
    settings.LEDGER_AUTH = "open"
    found = await wallet(api, name)
    settings.LEDGER_AUTH = "required"
    return found


async def test_who_acts_for_several_merchants_names_one(api: httpx.AsyncClient, required: Any) -> None:
    first, second, other = [await open_merchant(api, required) for _ in range(3)]
    user = await member(api, required, "viewer", first, second)
    unclear = await ask(api, user)
    assert code(unclear) == (422, "validation_error")
    (error,) = unclear.json()["errors"]
    assert error["field"] == "merchant_name"
    assert first in error["detail"]
    assert second in error["detail"]
    for name in (first, second):
        headers = bearer((await ask(api, user, merchant_name=name.upper())).json()["access"])
        assert [one["merchant_name"] for one in (await api.get("/merchants", headers=headers)).json()["items"]] == [name]
    for name in (other, "nobody-here", "no name!"):
        assert code(await ask(api, user, merchant_name=name)) == (404, "merchant_not_found")


async def test_who_is_nobodys_member_gets_no_token(api: httpx.AsyncClient, required: Any) -> None:
    assert code(await ask(api, await member(api, required, "owner"))) == (403, "permission_denied")


async def test_a_wrong_password_a_suspended_an_invited_and_an_unknown_user_are_answered_alike(
    api: httpx.AsyncClient,
    required: Any,
) -> None:
    own = await open_merchant(api, required)
    active, suspended, guest = [await member(api, required, "owner", own) for _ in range(3)]
    await in_reader(User.objects.filter(pk=suspended.pk).update, is_active=False)
    await in_reader(User.objects.filter(pk=guest.pk).update, password="!", activated_at=None)
    nobody = User(email=f"{unique()}@shop.example")
    answers = [await ask(api, active, password="wrong"), *[await ask(api, user) for user in (suspended, guest, nobody)]]
    assert {code(answer) for answer in answers} == {(401, "not_authenticated")}
    assert len({answer.json()["detail"] for answer in answers}) == 1
    assert "merchant" not in answers[0].text


@pytest.mark.parametrize("names", [{}, {"username": "a", "email": "a@b.example"}])
async def test_a_user_name_or_an_address_is_expected(api: httpx.AsyncClient, names: dict[str, str]) -> None:
    assert code(await api.post("/auth/token", json={"password": "x", **names})) == (422, "validation_error")


async def test_an_address_is_found_regardless_of_case(api: httpx.AsyncClient, required: Any) -> None:
    user = await member(api, required, "viewer", await open_merchant(api, required))
    assert user.email != user.username
    for email in (user.email.upper(), user.email, user.username):
        assert (await ask(api, user, email=email)).status_code == 200


async def test_a_refresh_reads_the_membership_again(api: httpx.AsyncClient, required: Any) -> None:
    own, other = await open_merchant(api, required), await open_merchant(api, required)
    user = await member(api, required, "owner", own, other)
    token = (await ask(api, user, merchant_name=own)).json()["refresh"]

    async def refresh() -> httpx.Response:
        release_attempts()
        return await api.post("/auth/token/refresh", json={"refresh": token})

    renewed = await refresh()
    headers = bearer(renewed.json()["access"])
    assert [one["merchant_name"] for one in (await api.get("/merchants", headers=headers)).json()["items"]] == [own]
    memberships = Membership.objects.filter(user=user, merchant__name=own)
    await in_reader(memberships.update, role="viewer")
    assert set((await refresh()).json()["scope"].split()) == {scope.value for scope in ROLE_SCOPES[Role.VIEWER]}
    await in_reader(User.objects.filter(pk=user.pk).update, is_active=False)
    assert code(await refresh()) == (401, "invalid_token")
    await in_reader(User.objects.filter(pk=user.pk).update, is_active=True)
    assert (await refresh()).status_code == 200
    await in_reader(memberships.delete)
    assert code(await refresh()) == (401, "invalid_token")


async def test_an_erased_member_has_no_token_any_more(api: httpx.AsyncClient, required: Any) -> None:
    user = await member(api, required, "owner", await open_merchant(api, required))
    token = (await ask(api, user)).json()["refresh"]
    required.LEDGER_AUTH = "open"
    assert (await api.delete(f"/users/{user.pk}")).status_code == 204
    assert code(await api.post("/auth/token/refresh", json={"refresh": token})) == (401, "invalid_token")
    assert code(await ask(api, user)) == (401, "not_authenticated")


async def test_staff_get_the_platforms_token_and_a_members_by_its_name(api: httpx.AsyncClient, required: Any) -> None:
    own = await open_merchant(api, required)
    user = await member(api, required, "viewer", own)
    await in_reader(User.objects.filter(pk=user.pk).update, is_staff=True, is_superuser=True)
    whole = (await ask(api, user)).json()
    assert "operations:read" in whole["scope"]
    part = (await ask(api, user, merchant_name=own)).json()
    assert set(part["scope"].split()) == {scope.value for scope in ROLE_SCOPES[Role.VIEWER]}
    await in_reader(User.objects.filter(pk=user.pk).update, is_staff=False, is_superuser=False)
    release_attempts()
    assert code(await api.post("/auth/token/refresh", json={"refresh": whole["refresh"]})) == (401, "invalid_token")
    assert (await api.post("/auth/token/refresh", json={"refresh": part["refresh"]})).status_code == 200


async def test_who_is_not_of_the_staff_needs_no_code_unless_an_app_is_enrolled(api: httpx.AsyncClient, required: Any) -> None:
    required.LEDGER_ADMIN_TOTP = "required"
    user = await member(api, required, "viewer", await open_merchant(api, required))
    before = await ask(api, user)
    assert before.status_code == 200
    device = await in_reader(enrol, user)
    assert code(await ask(api, user)) == (401, "not_authenticated")
    given = await ask(api, user, otp=code_of(device))
    assert given.status_code == 200
    release_attempts()
    assert code(await api.post("/auth/token/refresh", json={"refresh": before.json()["refresh"]})) == (401, "invalid_token")
    assert (await api.post("/auth/token/refresh", json={"refresh": given.json()["refresh"]})).status_code == 200
