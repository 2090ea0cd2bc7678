"""History, chart, receipts and settings in the portal, clicked through by a member."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, expect

from events.models import Webhook
from events.services.secrets import new_secret, sealed
from merchants.domain import MerchantIdentity
from people.domain import Role
from people.models import ApiKey, Membership, User
from tests.browser.accessibility import findings
from tests.browser.conftest import Watched
from tests.services.test_admin import USD, post
from tests.services.test_deposit_requests import ask as ask_for_money
from tests.services.test_portal_history import hold, pay
from tests.support.factories import unique
from tests.support.lengths import long_only
from tests.support.portal import new_member, new_merchant, session_of
from tests.support.servers import Service
from transfers.domain.commands import Deposit, Details


@contextmanager
def page_of(browser: Browser, site: Service, user: User, *, width: int = 1280) -> Iterator[Page]:
    context = browser.new_context(base_url=site.base_url, viewport={"width": width, "height": 900})
    context.set_default_timeout(60_000)
    name = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": session_of(user).cookies[name].value, "url": site.base_url}])
    watched = Watched(context, site.base_url)
    yield watched.page
    context.close()
    # The browser's console names every answer that refuses; that is what the page wanted to see.
    assert [text for text in watched.complaints if "status of 422" not in text] == []


@pytest.fixture
def shop() -> MerchantIdentity:
    return new_merchant()


@pytest.fixture
def owner(chromium: Browser, site: Service, shop: MerchantIdentity) -> Iterator[Page]:
    with page_of(chromium, site, new_member(shop)) as page:
        yield page


def test_the_history_is_searched_and_goes_on_where_it_was_left(owner: Page, shop: MerchantIdentity) -> None:
    other = new_merchant()
    for n in range(45):
        pay(shop, other, 1 + n, f"order {n}")
    owner.goto(f"/app/{shop.name}/USD/history/")
    rows = owner.locator("a.movement")
    expect(rows).to_have_count(30)
    owner.get_by_role("link", name="Show more").click()
    expect(rows).to_have_count(46)
    expect(rows.nth(30)).to_be_focused()
    expect(owner.get_by_role("link", name="Show more")).to_have_count(0)
    owner.get_by_label("Search").fill("ORDER 7")
    owner.get_by_role("button", name="Show", exact=True).click()
    expect(rows).to_have_count(1)
    rows.first.click()
    expect(owner.get_by_role("heading", name="Transfer", level=1)).to_be_visible()
    with owner.expect_download() as download:
        owner.get_by_role("link", name="Receipt as PDF").click()
    assert download.value.path().read_bytes().startswith(b"%PDF-")
    owner.go_back()
    expect(owner.get_by_label("Search")).to_have_value("ORDER 7")


def test_the_history_without_scripts_shows_the_same(chromium: Browser, site: Service, shop: MerchantIdentity) -> None:
    other = new_merchant()
    for n in range(35):
        pay(shop, other, 1 + n)
    user = new_member(shop)
    context = chromium.new_context(base_url=site.base_url, java_script_enabled=False)
    name = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": session_of(user).cookies[name].value, "url": site.base_url}])
    page = context.new_page()
    page.goto(f"/app/{shop.name}/USD/history/")
    page.get_by_role("link", name="Show more").click()
    expect(page.locator("a.movement")).to_have_count(6)
    page.get_by_text("The same as a table").click()
    expect(page.get_by_role("region", name="Balances, newest first")).to_be_visible()
    context.close()


def test_the_chart_is_drawn_and_says_the_exact_balance(owner: Page, shop: MerchantIdentity) -> None:
    post(Deposit(shop, USD, 123_456_789, Details()))
    owner.goto(f"/app/{shop.name}/USD/history/")
    expect(owner.locator(".chart canvas")).to_be_visible()
    expect(owner.locator("[data-chart-said]")).to_contain_text("1,234,667.89 USD")
    owner.get_by_role("link", name="7 days").click()
    expect(owner.locator(".chart canvas")).to_be_visible()
    owner.get_by_text("The same as a table").click()
    expect(owner.get_by_role("region", name="Balances, newest first")).to_contain_text("1,234,667.89")


def test_a_key_is_made_shown_once_and_revoked(owner: Page, shop: MerchantIdentity) -> None:
    owner.goto(f"/app/{shop.name}/keys/")
    owner.get_by_label("What will use it").fill("the till")
    owner.get_by_label("transfers:read").check()
    owner.get_by_role("button", name="Make the key").click()
    expect(owner.locator("#secret")).to_have_text(re.compile("lk_"))
    owner.goto(f"/app/{shop.name}/keys/")
    expect(owner.locator("#secret")).to_have_count(0)
    owner.get_by_text("Revoke the till").click()
    owner.get_by_role("button", name="Revoke for good").click()
    expect(owner.get_by_text("revoked", exact=True)).to_be_visible()
    assert ApiKey.objects.get(merchant_id=shop.id).revoked_at is not None


def test_an_owner_invites_changes_and_removes(owner: Page, shop: MerchantIdentity) -> None:
    address = f"{unique('guest')}@example.com"
    owner.goto(f"/app/{shop.name}/people/")
    owner.get_by_label("E-mail address").fill(address)
    owner.get_by_label("Name", exact=True).fill("Bo Lind")
    owner.get_by_label("Role", exact=True).select_option("viewer")
    owner.get_by_role("button", name="Invite").click()
    expect(owner.locator(".movement-title", has_text="Bo Lind")).to_be_visible()
    owner.get_by_label("Role of Bo Lind").select_option("operator")
    owner.get_by_role("button", name="Change the role of Bo Lind").click()
    expect(owner.get_by_label("Role of Bo Lind")).to_have_value("operator")
    assert Membership.objects.get(user__email=address, merchant_id=shop.id).role == "operator"
    owner.get_by_role("button", name="Remove Bo Lind").click()
    expect(owner.locator(".movement-title", has_text="Bo Lind")).to_have_count(0)


def test_a_webhook_is_refused_in_words_beside_its_form(owner: Page, shop: MerchantIdentity) -> None:
    owner.goto(f"/app/{shop.name}/webhooks/")
    owner.get_by_label("Address").fill("https://10.0.0.1/")
    owner.get_by_role("button", name="Register it").click(no_wait_after=True)
    expect(owner.locator("#id_url_error")).to_contain_text("A webhook cannot have this URL")
    expect(owner.get_by_role("alert")).to_contain_text("url_not_allowed")
    expect(owner.get_by_label("Address")).to_have_value("https://10.0.0.1/")


def test_a_viewer_finds_no_form(chromium: Browser, site: Service, shop: MerchantIdentity) -> None:
    with page_of(chromium, site, new_member(shop, Role.VIEWER)) as page:
        page.goto(f"/app/{shop.name}/webhooks/")
        expect(page.locator("main form")).to_have_count(0)
        expect(page.get_by_role("link", name="API keys")).to_have_count(0)


PAGES = [
    "USD/history/", "USD/history/?q=nothing", "transfers/{made}/", "transfers/{made}/receipt/", "settings/", "people/", "keys/",
    "webhooks/", "webhooks/{webhook}/",
]  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("width", [360, pytest.param(1280, marks=long_only)])
def test_no_page_has_a_finding_and_none_is_wider_than_the_screen(
    chromium: Browser, site: Service, shop: MerchantIdentity, page: str, width: int
) -> None:
    other = new_merchant()
    made = pay(shop, other, 1000, "invoice 12", "INV-2026-00012")
    hold(shop, other, 500)
    ask_for_money(shop, "5.00", memo="from savings")
    new_member(shop, Role.VIEWER)
    webhook = Webhook.objects.create(
        merchant_id=shop.id, url="https://[2001:db8::1]/", types=["hold.*"], secret=sealed(new_secret()), status="paused"
    )
    with page_of(chromium, site, new_member(shop), width=width) as shown:
        shown.goto(f"/app/{shop.name}/{page.format(made=made, webhook=webhook.id)}")
        shown.wait_for_load_state("networkidle")
        assert findings(shown) == []
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
