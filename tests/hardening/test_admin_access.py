"""Who gets into the admin: not who guesses, and not with a password alone."""

from __future__ import annotations

import io
import re
import time
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from ledger_project.kernel.actors import Scope
from people.credentials import create_key
from people.models import User
from tests.support.factories import unique

PASSWORD = "correct horse battery staple"


@pytest.fixture
def operator() -> str:
    name = unique("op")
    User.objects.create_superuser(name, password=PASSWORD)
    return name


@pytest.fixture
def second_factor(settings: Any) -> None:
    settings.LEDGER_ADMIN_TOTP = "required"


def log_in(client: Client, name: str, password: str = PASSWORD) -> int:
    return client.post("/admin/login/?next=/admin/", {"username": name, "password": password}).status_code


def code_of(device: TOTPDevice, drift: int = 0) -> str:
    totp = TOTP(device.bin_key, device.step, device.t0, device.digits, device.drift)
    totp.time = time.time() + drift * device.step
    return f"{totp.token():06d}"


def test_five_wrong_passwords_lock_the_pair_of_user_and_address(operator: str) -> None:
    client, elsewhere = Client(), Client(REMOTE_ADDR="192.0.2.9")
    for _ in range(4):
        assert log_in(client, operator, "wrong") == 200
    assert log_in(client, operator, "wrong") == 429
    assert log_in(client, operator) == 429
    assert log_in(elsewhere, operator) == 302
    call_command("axes_reset", stdout=io.StringIO())
    assert log_in(client, operator) == 302


def test_a_password_alone_opens_no_page(operator: str, second_factor: None) -> None:
    client = Client()
    assert log_in(client, operator) == 302
    for path in ("/admin/", "/admin/merchants/merchant/", "/admin/auth/user/add/", "/admin/password_change/"):
        response = client.get(path)
        assert (response.status_code, response["Location"]) == (302, f"/admin/second-factor/?next={path}")
    assert client.post("/admin/auth/user/add/", {"username": "x"})["Location"].startswith("/admin/second-factor/")


def test_the_first_login_enrols_a_device_and_the_code_opens_the_admin(operator: str, second_factor: None) -> None:
    client = Client()
    log_in(client, operator)
    page = client.get("/admin/second-factor/?next=/admin/merchants/merchant/")
    assert "<svg" in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    device = TOTPDevice.objects.get(user__username=operator)
    assert client.post("/admin/second-factor/", {"code": "000000"}).status_code == 200
    assert client.get("/admin/").status_code == 302
    TOTPDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
    response = client.post("/admin/second-factor/?next=/admin/merchants/merchant/", {"code": code_of(device)})
    assert (response.status_code, response["Location"]) == (302, "/admin/merchants/merchant/")
    assert client.get("/admin/merchants/merchant/").status_code == 200


def test_a_device_that_is_confirmed_is_asked_for_and_not_shown_again(operator: str, second_factor: None) -> None:
    device = TOTPDevice.objects.create(user=User.objects.get(username=operator), confirmed=True, name="phone")
    client = Client()
    log_in(client, operator)
    assert "<svg" not in client.get("/admin/second-factor/").content.decode()
    used = code_of(device)
    assert client.post("/admin/second-factor/?next=//evil.example/", {"code": used})["Location"] == "/admin/"
    again = Client()
    log_in(again, operator)
    assert again.post("/admin/second-factor/", {"code": used}).status_code == 200
    assert again.get("/admin/").status_code == 302


def test_wrong_codes_make_the_right_one_wait(operator: str, second_factor: None) -> None:
    device = TOTPDevice.objects.create(user=User.objects.get(username=operator), confirmed=True, name="phone")
    client = Client()
    log_in(client, operator)
    for _ in range(3):
        client.post("/admin/second-factor/", {"code": "000000"})
    assert client.post("/admin/second-factor/", {"code": code_of(device)}).status_code == 200
    assert client.get("/admin/").status_code == 302


def test_who_is_not_logged_in_sees_no_second_factor(second_factor: None) -> None:
    response = Client().get("/admin/second-factor/")
    assert (response.status_code, response["Location"]) == (302, "/admin/login/")


def test_a_lost_device_is_reset_by_command(operator: str) -> None:
    TOTPDevice.objects.create(user=User.objects.get(username=operator), confirmed=True, name="phone")
    call_command("second_factor", "reset", operator, stdout=io.StringIO())
    assert not TOTPDevice.objects.filter(user__username=operator).exists()
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


PUBLIC = {"/admin/login/", "/admin/logout/", "/admin/second-factor/"}
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
            assert response["Location"].startswith(("/admin/login/", "/admin/second-factor/")), (path, response["Location"])


def test_pages_say_what_a_browser_may_do_with_them(operator: str) -> None:
    client = Client()
    headers = client.get("/admin/login/").headers
    policy = headers["Content-Security-Policy"]
    script = next(part for part in policy.split(";") if part.strip().startswith("script-src"))
    assert "'unsafe-inline'" not in script
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    log_in(client, operator)
    assert client.cookies["sessionid"]["httponly"]
    assert client.cookies["csrftoken"]["httponly"]
