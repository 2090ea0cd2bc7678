"""Who gets into the admin: not who guesses, and not with a password alone."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from ledger_project.kernel.actors import Scope
from people.credentials import create_key
from people.models import User
from tests.support.factories import unique
from tests.support.second_factors import code_of, end_wait, enrol

PASSWORD = "correct horse battery staple"
SIGN_IN, CODE, CODE_AGAIN, ENROL = "/app/login/", "/app/login/code/", "/app/confirm/code/", "/app/security/app/"


@pytest.fixture
def operator() -> str:
    name = unique("op")
    User.objects.create_superuser(name, password=PASSWORD)
    return name


@pytest.fixture
def second_factor(settings: Any) -> None:
    settings.LEDGER_ADMIN_TOTP = "required"


def log_in(client: Client, name: str, password: str = PASSWORD, target: str = "/admin/") -> int:
    return client.post(f"{SIGN_IN}?next={target}", {"login": name, "password": password}).status_code


def test_the_admin_has_no_form_of_its_own(operator: str) -> None:
    client = Client()
    response = client.get("/admin/login/?next=/admin/merchants/merchant/")
    assert (response.status_code, response["Location"]) == (302, "/app/login/?next=%2Fadmin%2Fmerchants%2Fmerchant%2F")
    client.post("/admin/login/", {"username": operator, "password": PASSWORD})
    assert client.get("/admin/").status_code == 302


def test_five_wrong_passwords_lock_the_pair_of_user_and_address(operator: str) -> None:
    client, elsewhere = Client(), Client(REMOTE_ADDR="192.0.2.9")
    for _ in range(4):
        assert log_in(client, operator, "wrong") == 200
    assert log_in(client, operator.upper(), "wrong") == 429
    assert log_in(client, operator) == 429
    assert log_in(elsewhere, operator) == 302
    call_command("axes_reset", stdout=io.StringIO())
    assert log_in(client, operator) == 302


def test_a_password_alone_opens_no_page(operator: str, second_factor: None) -> None:
    client = Client()
    assert log_in(client, operator) == 302
    for path in ("/admin/", "/admin/merchants/merchant/", "/admin/password_change/", "/app/", "/app/password/change/"):
        response = client.get(path)
        assert (response.status_code, response["Location"]) == (302, f"{ENROL}?next={path}")
    assert client.post("/admin/merchants/merchant/add/", {"name": "x"})["Location"] == ENROL


def test_the_first_login_enrols_an_app_and_its_code_opens_the_admin(operator: str, second_factor: None) -> None:
    client = Client()
    log_in(client, operator)
    page = client.get(f"{ENROL}?next=/admin/merchants/merchant/")
    shown = page.content.decode()
    secret = page.context["form"].secret
    assert 'class="qr"' in shown
    assert secret in shown
    assert "no-store" in page["Cache-Control"]
    before = client.session.session_key
    assert client.post(ENROL, {"code": "000000"}).status_code == 200
    assert client.get("/admin/").status_code == 302
    assert client.get(ENROL).context["form"].secret == secret  # a second tab has the same picture
    code = code_of(Authenticator(data={"secret": _sealed(secret)}))
    response = client.post(ENROL, {"code": f"{code[:3]} {code[3:]}", "next": "/admin/merchants/merchant/"})
    assert (response.status_code, response["Location"]) == (302, "/app/security/codes/?next=%2Fadmin%2Fmerchants%2Fmerchant%2F")
    assert client.session.session_key != before
    assert client.get("/admin/merchants/merchant/").status_code == 200
    codes = client.get(response["Location"])
    assert len(codes.context["unused_codes"]) == 10
    assert 'href="/admin/merchants/merchant/"' in codes.content.decode()
    again = client.get(response["Location"]).content.decode()
    assert not any(code in again for code in codes.context["unused_codes"])
    # The code that enrolled the app is used up.
    other = Client()
    log_in(other, operator)
    assert other.post(CODE, {"code": code}).status_code == 200
    assert other.get("/admin/").status_code == 302


def _sealed(secret: str) -> str:
    from people.access.second_factor import sealed

    return sealed(secret)


def test_an_app_that_is_enrolled_is_asked_for_before_the_session_begins(operator: str, second_factor: None) -> None:
    device = enrol(User.objects.get(username=operator))
    client = Client()
    assert log_in(client, operator, target="//evil.example/") == 302
    assert "_auth_user_id" not in client.session
    assert client.get("/admin/")["Location"].startswith("/admin/login/")
    assert 'class="qr"' not in client.get(CODE).content.decode()
    before = client.session.session_key
    used = code_of(device)
    assert client.post(CODE, {"code": used})["Location"] == "/admin/"
    assert client.session.session_key != before
    assert client.get("/admin/").status_code == 200
    again = Client()
    log_in(again, operator)
    assert again.post(CODE, {"code": used}).status_code == 200
    assert again.get("/admin/").status_code == 302


def test_a_session_that_has_not_shown_the_app_is_asked_for_its_code(operator: str) -> None:
    """As one that began before the app was enrolled, on another machine."""
    user = User.objects.get(username=operator)
    client = Client()
    client.force_login(user)
    assert client.get("/admin/").status_code == 200
    device = enrol(user)
    response = client.get("/admin/merchants/merchant/")
    assert response["Location"] == f"{CODE_AGAIN}?next=/admin/merchants/merchant/"
    for path in ("/app/confirm/", ENROL, "/app/security/", "/app/security/app/remove/", "/app/security/codes/"):
        assert client.get(path)["Location"].startswith(CODE_AGAIN), path
    assert client.get(response["Location"]).status_code == 200
    answer = client.post(response["Location"], {"code": code_of(device)})
    assert answer["Location"] == "/admin/merchants/merchant/"
    assert client.get("/admin/").status_code == 200


def test_wrong_codes_make_the_right_one_wait(operator: str, second_factor: None) -> None:
    device = enrol(User.objects.get(username=operator))
    client = Client()
    log_in(client, operator)
    for _ in range(3):
        client.post(CODE, {"code": "000000"})
    assert client.post(CODE, {"code": code_of(device)}).status_code == 200
    assert client.get("/admin/").status_code == 302
    end_wait(device)
    assert client.post(CODE, {"code": code_of(device)}).status_code == 302
    assert client.get("/admin/").status_code == 200


def test_who_is_not_logged_in_sees_no_second_factor(second_factor: None) -> None:
    for path in (CODE, CODE_AGAIN, ENROL, "/app/security/", "/app/security/codes/", "/app/security/app/remove/"):
        response = Client().get(path)
        assert (response.status_code, response["Location"].split("?")[0]) == (302, SIGN_IN), path


def test_a_lost_app_is_reset_by_command(operator: str) -> None:
    enrol(User.objects.get(username=operator))
    call_command("second_factor", "reset", operator, stdout=io.StringIO())
    assert not Authenticator.objects.filter(user__username=operator).exists()
    with pytest.raises(CommandError):
        call_command("second_factor", "reset", "nobody-here", stdout=io.StringIO())


def pages() -> list[str]:
    """Return the path of every page of the admin, with an id where one belongs; ids of nothing, of a user and of a currency."""
    found: list[str] = []

    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> None:
        for pattern in patterns:
            path = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                walk(pattern.url_patterns, path)
            elif path.startswith("admin/"):
                plain = re.sub(r"\(\?P<\w+>[^)]*\)", "merchants", path).translate({ord("^"): None, ord("$"): None})
                found.extend("/" + re.sub(r"<[^>]+>", wanted, plain) for wanted in ("1", "USD"))

    walk(get_resolver().url_patterns, "")
    return sorted(set(found))


PUBLIC = {"/admin/login/", "/admin/logout/"}
"""Pages that lead in and out."""


@pytest.mark.parametrize("who", ["nobody", "an API key", "a user who is no staff", "a password alone"])
def test_no_page_of_the_admin_opens_to_who_has_not_shown_all_that_it_takes(operator: str, second_factor: None, who: str) -> None:
    client, headers = Client(), {}
    if who == "an API key":
        secret = create_key(name="walker", merchant=None, scopes=tuple(Scope)).secret
        headers = {"HTTP_AUTHORIZATION": f"Bearer {secret}", "HTTP_X_API_KEY": secret}
    elif who == "a user who is no staff":
        client.force_login(User.objects.create_user(unique("user")))
    elif who == "a password alone":
        client.force_login(User.objects.get(username=operator))
    walked = pages()
    assert len(walked) > 50
    for path in walked:
        if path in PUBLIC:
            continue
        for method in (client.get, client.post):
            response = method(path, **headers)
            assert response.status_code == 302, (path, response.status_code)
            assert response["Location"].startswith(("/admin/login/", ENROL)), (path, response["Location"])


def test_pages_say_what_a_browser_may_do_with_them(operator: str) -> None:
    client = Client()
    client.force_login(User.objects.get(username=operator))
    headers = client.get("/admin/").headers
    policy = headers["Content-Security-Policy"]
    script = next(part for part in policy.split(";") if part.strip().startswith("script-src"))
    assert "'unsafe-inline'" not in script
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "unsafe" not in Client().get(SIGN_IN)["Content-Security-Policy"]
    client = Client()
    client.get(SIGN_IN)
    log_in(client, operator)
    assert client.cookies["sessionid"]["httponly"]
    assert client.cookies["csrftoken"]["httponly"]
