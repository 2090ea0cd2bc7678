"""Signing in and out by clicks: a wrong password, an app that is enrolled by its typed secret, recovery codes, and who looks around."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from people.access.second_factor import code_at
from people.models import User
from people.services.activation import activation_token
from people.services.users import insert_user
from tests.browser.accessibility import findings
from tests.browser.conftest import PASSWORD, _watched
from tests.support.factories import unique
from tests.support.servers import Service


@pytest.fixture
def page(chromium: Browser, site: Service) -> Iterator[Page]:
    """A page of nobody; the test fails if anything was wrong with what it showed."""
    with _watched(chromium, site) as opened:
        yield opened


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.goto("/app/login/")
    page.get_by_label("E-mail address or user name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_an_app_is_enrolled_by_its_secret_asked_for_and_replaced_by_a_recovery_code(page: Page) -> None:
    address = f"{unique('guest').lower()}@example.com"
    page.goto(f"/app/activate/{activation_token(insert_user(address, 'Guest'))}/")
    assert findings(page) == []
    page.get_by_label("New password", exact=True).fill(PASSWORD)
    page.get_by_label("New password confirmation").fill(PASSWORD)
    page.get_by_role("button", name="Set the password and sign in").click()
    page.goto("/app/security/")
    page.get_by_role("link", name="Set up an app").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    assert findings(page) == []
    secret = page.locator("#secret").inner_text().replace(" ", "")
    page.get_by_role("textbox", name="Code").fill(code_at(secret, int(time.time()) // 30))
    page.get_by_role("button", name="Enrol the app").click()
    codes = page.get_by_role("list", name="Recovery codes").get_by_role("listitem").all_inner_texts()
    assert len(codes) == 10
    assert findings(page) == []
    page.get_by_role("link", name="I have kept them").click()
    page.get_by_text("Guest", exact=True).click()
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, address)
    assert findings(page) == []
    page.get_by_role("textbox", name="Code").fill(codes[4])
    page.get_by_role("button", name="Go on").click()
    page.goto("/app/security/")
    expect(page.get_by_text("9 recovery codes can still be used.")).to_be_visible()


def test_a_wrong_password_is_told_beside_the_form(page: Page) -> None:
    name = unique("staff")
    User.objects.create_superuser(name, password=PASSWORD)
    sign_in(page, name, "wrong")
    assert findings(page) == []
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    sign_in(page, name)
    expect(page.get_by_role("heading", name="Dashboard").first).to_be_visible()


def test_the_other_pages_of_sign_in_have_no_finding(page: Page) -> None:
    user = User.objects.create_user(unique("person"), f"{unique('person').lower()}@example.com", PASSWORD)
    for path in ("/app/password/reset/", "/app/password/reset/done/", "/app/signup/", "/app/look-around/", "/app/password/reset/key/done/"):
        page.goto(path)
        assert findings(page) == [], path
    sign_in(page, user.username)
    expect(page.get_by_role("heading", name="Name your wallets")).to_be_visible()
    assert findings(page) == []
    for path in ("/app/security/", "/app/security/app/", "/app/password/change/", "/app/logout/"):
        page.goto(path)
        assert findings(page) == [], path
