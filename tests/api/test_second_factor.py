"""Where a second factor is required, a password alone gets no token, and no session that has shown only that sees figures."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.test import Client

from ledger_project.database.readers import in_reader
from ledger_project.kernel.actors import Scope
from people.models import User
from people.views.tokens import release_attempts
from tests.api.test_authorization import bearer, new_key
from tests.api.test_operations import cookie_of, login
from tests.api.test_tokens import PASSWORD, required, user
from tests.support.factories import merchant
from tests.support.second_factors import code_of, end_wait, enrol

__all__ = ["required"]


@pytest.fixture
def second_factor(required: Any) -> Any:
    required.LEDGER_ADMIN_TOTP = "required"
    return required


async def device_of(name: str) -> Authenticator:
    return await in_reader(enrol, await in_reader(User.objects.get, username=name))


async def ask(api: httpx.AsyncClient, name: str, password: str = PASSWORD, **otp: str) -> httpx.Response:
    release_attempts()
    return await api.post("/auth/token", json={"username": name, "password": password, **otp})


async def refresh(api: httpx.AsyncClient, token: str) -> httpx.Response:
    release_attempts()
    return await api.post("/auth/token/refresh", json={"refresh": token})


async def test_a_password_alone_gets_no_token_and_learns_nothing(api: httpx.AsyncClient, second_factor: Any) -> None:
    name = await user(is_superuser=True)
    await device_of(name)
    alone = [await ask(api, name), await ask(api, name, "wrong"), await ask(api, "nobody-here")]
    assert {(answer.status_code, answer.json()["code"]) for answer in alone} == {(401, "not_authenticated")}
    assert len({answer.json()["detail"] for answer in alone}) == 1
    assert "otp" in alone[0].json()["detail"]


async def test_a_password_and_a_code_get_tokens_once(api: httpx.AsyncClient, second_factor: Any) -> None:
    name = await user(is_superuser=True)
    device = await device_of(name)
    code = code_of(device)
    assert (await ask(api, name, "wrong", otp=code)).status_code == 401
    given = await ask(api, name, otp=code)
    assert (given.status_code, set(given.json()["scope"].split())) == (200, set(Scope))
    assert (await ask(api, name, otp=code)).status_code == 401
    again = await refresh(api, given.json()["refresh"])
    assert (again.status_code, again.json()["scope"]) == (200, given.json()["scope"])
    await in_reader(Authenticator.objects.filter(pk=device.pk).delete)
    assert (await refresh(api, given.json()["refresh"])).status_code == 401


@pytest.mark.parametrize("code", ["", "000000", "12345", "+12345", "1_2345", " 12345", "١٢٣٤٥٦", "abcdef"])
async def test_what_is_not_the_code_gets_nothing(api: httpx.AsyncClient, second_factor: Any, code: str) -> None:
    name = await user("view_merchant")
    await device_of(name)
    assert (await ask(api, name, otp=code)).status_code in {401, 422}


async def test_the_codes_own_digits_in_another_spelling_are_not_the_code(api: httpx.AsyncClient, second_factor: Any) -> None:
    name = await user("view_merchant")
    device = await device_of(name)
    for spelling in ("+{}", "{} ", " {}"):
        assert (await ask(api, name, otp=spelling.format(code_of(device)))).status_code in {401, 422}
    assert (await ask(api, name, otp=code_of(device))).status_code == 200


async def test_of_two_who_show_one_code_at_once_one_gets_in(api: httpx.AsyncClient, second_factor: Any) -> None:
    name = await user("view_merchant")
    code = code_of(await device_of(name))
    answers = await asyncio.gather(*[ask(api, name, otp=code) for _ in range(4)])
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]


async def test_a_recovery_code_gets_tokens_once(api: httpx.AsyncClient, second_factor: Any) -> None:
    name = await user(is_superuser=True)
    device = await device_of(name)

    def make_codes() -> list[str]:
        codes: list[str] = RecoveryCodes.activate(User.objects.get(username=name)).generate_codes()
        return codes

    first, second, *_ = await in_reader(make_codes)
    assert (await ask(api, name, "wrong", otp=first)).status_code == 401
    answers = await asyncio.gather(*[ask(api, name, otp=first) for _ in range(4)])
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    await in_reader(end_wait, device)
    assert (await ask(api, name, otp=first)).status_code == 401
    await in_reader(end_wait, device)
    given = await ask(api, name, otp=second)
    assert given.status_code == 200
    assert (await refresh(api, given.json()["refresh"])).status_code == 200
    await in_reader(Authenticator.objects.filter(pk=device.pk).delete)
    assert (await refresh(api, given.json()["refresh"])).status_code == 401


async def test_who_has_enrolled_nothing_gets_nothing(api: httpx.AsyncClient, second_factor: Any) -> None:
    nobody = await user(is_superuser=True)
    assert (await ask(api, nobody, otp="123456")).status_code == 401


async def test_a_refresh_token_of_a_password_alone_ends_when_a_second_factor_is_required(api: httpx.AsyncClient, required: Any) -> None:
    required.LEDGER_ADMIN_TOTP = "off"
    name = await user("view_merchant")
    token = (await ask(api, name)).json()["refresh"]
    assert (await refresh(api, token)).status_code == 200
    required.LEDGER_ADMIN_TOTP = "required"
    assert (await refresh(api, token)).status_code == 401


async def test_whoever_has_enrolled_an_app_shows_it_everywhere(api: httpx.AsyncClient, required: Any) -> None:
    required.LEDGER_ADMIN_TOTP = "off"
    name = await user("view_merchant")
    before = (await ask(api, name)).json()["refresh"]
    device = await device_of(name)
    assert (await ask(api, name)).status_code == 401
    assert (await refresh(api, before)).status_code == 401
    assert (await ask(api, name, otp=code_of(device))).status_code == 200


async def figures(api: httpx.AsyncClient, headers: dict[str, str]) -> tuple[int, str | None]:
    response = await api.get("/operations/summary", params={"currency": "USD"}, headers=headers)
    return response.status_code, response.json().get("code")


async def test_the_scope_alone_shows_the_summary(api: httpx.AsyncClient, second_factor: Any) -> None:
    second_factor.LEDGER_AUTH = "open"
    name = await merchant(api)
    second_factor.LEDGER_AUTH = "required"
    platform = (await new_key(None, Scope.OPERATIONS_READ)).secret
    assert await figures(api, bearer(platform)) == (200, None)
    assert await figures(api, {"X-Api-Key": platform}) == (200, None)
    assert await figures(api, bearer((await new_key(None, Scope.TRANSFERS_READ)).secret)) == (403, "permission_denied")
    assert await figures(api, bearer((await new_key(name)).secret)) == (403, "permission_denied")


async def test_a_session_shows_the_summary_once_it_has_shown_the_second_factor(api: httpx.AsyncClient, second_factor: Any) -> None:
    def sessions() -> tuple[dict[str, str], dict[str, str], Authenticator]:
        operator = User.objects.create_superuser(f"op-{User.objects.count()}", password=PASSWORD)
        device = enrol(operator)
        alone, both = Client(), Client()
        alone.force_login(operator)
        both.force_login(operator)
        assert both.post("/app/confirm/code/", {"code": code_of(device)}).status_code == 302
        return cookie_of(alone), cookie_of(both), device

    alone, both, device = await in_reader(sessions)
    assert await figures(api, alone) == (401, "not_authenticated")
    assert await figures(api, both) == (200, None)
    assert await figures(api, {**both, **bearer("x.y.z")}) == (401, "invalid_token")
    second_factor.LEDGER_ADMIN_TOTP = "off"
    assert await figures(api, alone) == (401, "not_authenticated")
    await in_reader(Authenticator.objects.filter(pk=device.pk).delete)
    assert await figures(api, alone) == (200, None)
    second_factor.LEDGER_ADMIN_TOTP = "required"
    assert await figures(api, both) == (401, "not_authenticated")


async def test_a_session_opens_nothing_but_the_summary(api: httpx.AsyncClient, required: Any) -> None:
    headers = await in_reader(login)
    assert await figures(api, headers) == (200, None)
    for path in ("/merchants", "/transfers", "/metrics", "/holds"):
        assert (await api.get(path, headers=headers)).status_code == 401
