"""Members at their wallets: clicked through in a real Chromium, by what goes right and by what goes wrong on the way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, Route, expect

from merchants.domain import MerchantIdentity
from people.domain import Role
from people.models import User
from tests.browser.accessibility import findings
from tests.browser.conftest import Watched
from tests.support.factories import unique
from tests.support.lengths import long_only
from tests.support.portal import USD, available, new_member, new_merchant, session_of
from tests.support.servers import Service
from tests.support.waiting import until
from transfers.models import Transfer
from transfers.selectors import get_balances_now

MOST_BYTES_OF_A_FIRST_PAGE = 120_000
MOST_MS_TO_FIRST_PAINT = 300

Opened = Callable[[User], Watched]


@pytest.fixture
def shop() -> MerchantIdentity:
    return new_merchant()


@pytest.fixture
def friend() -> MerchantIdentity:
    return new_merchant()


@pytest.fixture
def sign_in(chromium: Browser, site: Service) -> Iterator[Opened]:
    """Open a page in the session of a person. Each page that is open at the end had nothing to complain about."""
    opened: list[Watched] = []

    def open_for(user: User) -> Watched:
        context = chromium.new_context(base_url=site.base_url, viewport={"width": 390, "height": 800}, reduced_motion="reduce")
        context.set_default_timeout(60_000)
        session = session_of(user).cookies[settings.SESSION_COOKIE_NAME].value
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": site.base_url}])
        watched = Watched(context, site.base_url)
        opened.append(watched)
        return watched

    yield open_for
    for watched in opened:
        watched.page.context.close()
    assert [complaint for watched in opened for complaint in watched.complaints] == []


@pytest.fixture
def owner(sign_in: Opened, shop: MerchantIdentity) -> Watched:
    return sign_in(new_member(shop))


def moved(merchant: MerchantIdentity) -> int:
    """Return how many transfers a merchant has made."""
    return Transfer.objects.filter(source__merchant_id=merchant.id, kind="transfer").count()


def fill(page: Page, shop: MerchantIdentity, to: str, amount: str) -> None:
    """Open the form and have it reviewed."""
    page.goto(f"/app/{shop.name}/USD/")
    page.get_by_role("link", name="Send").click()
    page.get_by_label("To", exact=True).fill(to)
    page.get_by_label("Amount").fill(amount)
    review(page)


def review(page: Page) -> None:
    page.get_by_role("button", name="Review").click()
    expect(page.get_by_role("heading", name=re.compile("^Send .*\\?$"))).to_be_focused()


def toast(page: Page, text: str) -> None:
    expect(page.locator(".notyf__toast").last).to_contain_text(text)


def test_a_wallet_is_created_filled_and_emptied(owner: Watched, shop: MerchantIdentity) -> None:
    page = owner.page
    page.goto("/app/")
    page.get_by_role("link", name="New wallet").click()
    page.get_by_label("Currency").select_option("EUR")
    page.get_by_role("button", name="Open the wallet").click()
    toast(page, "The wallet in EUR is open.")
    page.get_by_role("link", name="Add money").click()
    page.get_by_label("Amount").fill("20")
    expect(page.locator("#quote")).to_have_text("No fee. 20.00 comes in.")
    page.get_by_role("button", name="Review").click()
    page.get_by_role("button", name="Add money 20.00 EUR").click()
    toast(page, "20.00 EUR came in.")
    expect(page.locator(".amount-large")).to_have_text("20.00 EUR")
    page.get_by_role("link", name="Withdraw").click()
    page.get_by_label("Amount").fill("5.50")
    page.get_by_role("button", name="Review").click()
    page.get_by_role("button", name="Withdraw 5.50 EUR").click()
    toast(page, "5.50 EUR was withdrawn.")
    (euros,) = [row for row in get_balances_now(shop.id, currency=None, at=None).rows if row.currency.code == "EUR"]
    assert euros.available_minor == 1450


def test_a_double_click_sends_once(owner: Watched, shop: MerchantIdentity, friend: MerchantIdentity) -> None:
    page = owner.page
    page.goto(f"/app/{shop.name}/USD/send/")
    page.get_by_label("To", exact=True).fill(friend.name)
    page.get_by_label("Amount").fill("3.00")
    expect(page.locator("#quote")).to_have_text(f"Fee 0.03, you pay 3.03, {friend.name} gets 3.00.")
    review(page)
    page.get_by_role("button", name="Send 3.00 USD").dblclick()
    toast(page, f"3.00 USD was sent to {friend.name}, with a fee of 0.03 USD.")
    expect(page.locator(".amount-large")).to_have_text("96.97 USD")
    assert (moved(shop), available(friend)) == (1, 10_300)


def test_too_much_is_refused_by_a_toast_that_stays_and_the_form_goes_on(
    owner: Watched, shop: MerchantIdentity, friend: MerchantIdentity
) -> None:
    page = owner.page
    fill(page, shop, friend.name, "100.00")
    page.get_by_role("button", name="Send 100.00 USD").click()
    shown = page.locator(".notyf__toast")
    expect(shown).to_contain_text(re.compile(r"insufficient_funds, request [0-9a-f-]{36}"))
    expect(shown).to_have_attribute("role", "alert")
    expect(page.get_by_label("Amount")).to_be_focused()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown.get_by_role("button", name="Copy").click()
    expect(shown.get_by_role("button", name="Copied")).to_be_visible()
    assert "insufficient_funds, request" in page.evaluate("navigator.clipboard.readText()")
    expect(page.locator("#amount-error")).to_contain_text("100.00 USD")
    assert findings(page) == []
    shown.get_by_role("button", name="Close this message").click()
    expect(shown).to_have_count(0)
    page.get_by_label("Amount").fill("99.00")
    review(page)
    page.get_by_role("button", name="Send 99.00 USD").click()
    toast(page, "99.00 USD was sent")
    assert (moved(shop), available(shop)) == (1, 1)


@contextmanager
def answers_lost(watched: Watched, step: str) -> Iterator[list[str]]:
    """Have the server do what it is asked, and lose its first answer to a step of a form on the way."""
    lost: list[str] = []

    def lose(route: Route) -> None:
        if not lost and route.request.method == "POST" and f"step={step}" in (route.request.post_data or ""):
            route.fetch(max_redirects=0)
            lost.append(route.request.url)
            route.abort("connectionreset")
        else:
            route.continue_()

    watched.page.route("**/app/**", lose)
    yield lost
    watched.page.unroute("**/app/**")
    # The browser says on its console that an answer was lost, and that is true.
    told = [one for one in watched.complaints if "ERR_CONNECTION_RESET" in one or "console: htmx:" in one]
    for one in told:
        watched.complaints.remove(one)


def test_after_a_lost_answer_the_same_form_moves_nothing_again(owner: Watched, shop: MerchantIdentity, friend: MerchantIdentity) -> None:
    page = owner.page
    fill(page, shop, friend.name, "3.00")
    with answers_lost(owner, "confirm") as lost:
        page.get_by_role("button", name="Send 3.00 USD").click()
        toast(page, "The answer did not arrive.")
        assert (len(lost), moved(shop)) == (1, 1)
        page.get_by_role("button", name="Send 3.00 USD").click()
        toast(page, "This form did that before; nothing more happened now.")
    assert (moved(shop), available(friend)) == (1, 10_300)


def test_a_reload_in_between_keeps_the_key(owner: Watched, shop: MerchantIdentity, friend: MerchantIdentity) -> None:
    page = owner.page
    fill(page, shop, friend.name, "3.00")
    before = page.url
    with answers_lost(owner, "confirm"):
        page.get_by_role("button", name="Send 3.00 USD").click()
        toast(page, "The answer did not arrive.")
    page.reload()
    assert page.url == before
    expect(page.get_by_role("heading", name="This form was carried out")).to_be_visible()
    assert moved(shop) == 1


def test_back_after_sending_shows_what_was_done_and_asks_before_a_new_one(
    owner: Watched, shop: MerchantIdentity, friend: MerchantIdentity
) -> None:
    page = owner.page
    fill(page, shop, friend.name, "3.00")
    page.get_by_role("button", name="Send 3.00 USD").click()
    toast(page, "3.00 USD was sent")
    page.go_back()
    expect(page.get_by_role("heading", name="This form was carried out")).to_be_visible()
    expect(page.locator("#money")).to_contain_text(f"3.00 USD was sent to {friend.name}")
    assert moved(shop) == 1
    page.get_by_role("link", name="Make a new one").click()
    page.get_by_label("To", exact=True).fill(friend.name)
    page.get_by_label("Amount").fill("3.00")
    review(page)
    assert moved(shop) == 1
    page.get_by_role("button", name="Send 3.00 USD").click()
    toast(page, "3.00 USD was sent")
    assert moved(shop) == 2


def test_two_tabs_are_two_forms_and_a_copied_tab_is_the_same(owner: Watched, shop: MerchantIdentity, friend: MerchantIdentity) -> None:
    first = owner.page
    fill(first, shop, friend.name, "1.00")
    second, copied = first.context.new_page(), first.context.new_page()
    fill(second, shop, friend.name, "1.00")
    copied.goto(first.url)
    for page in (first, second):
        page.get_by_role("button", name="Send 1.00 USD").click()
        toast(page, "1.00 USD was sent")
    assert moved(shop) == 2
    copied.get_by_label("To", exact=True).fill(friend.name)
    copied.get_by_label("Amount").fill("5.00")
    copied.get_by_role("button", name="Review").click()
    expect(copied.get_by_role("heading", name="This form was carried out")).to_be_visible()
    copied.get_by_role("button", name="Review a new one").click()
    copied.get_by_role("button", name="Send 5.00 USD").click()
    toast(copied, "5.00 USD was sent")
    assert moved(shop) == 3


def test_a_balance_refreshes_by_itself(owner: Watched, shop: MerchantIdentity, friend: MerchantIdentity, sign_in: Opened) -> None:
    page = owner.page
    page.goto(f"/app/{shop.name}/USD/")
    expect(page.locator(".amount-large")).to_have_text("100.00 USD")
    other = sign_in(new_member(friend)).page
    fill(other, friend, shop.name, "2.00")
    other.get_by_role("button", name="Send 2.00 USD").click()
    toast(other, "2.00 USD was sent")
    expect(page.locator(".amount-large")).to_have_text("102.00 USD")
    page.get_by_role("link", name="Send").click()
    assert page.locator("#known option").evaluate_all("options => options.map(one => one.value)") == [friend.name]


def test_a_viewer_cannot_pay_and_another_members_wallet_is_not_there(
    sign_in: Opened, shop: MerchantIdentity, friend: MerchantIdentity
) -> None:
    viewer = sign_in(new_member(shop, Role.VIEWER))
    page = viewer.page
    page.goto(f"/app/{shop.name}/USD/")
    expect(page.get_by_role("link", name="Send")).to_have_count(0)
    for address, status, words in (
        (f"/app/{shop.name}/USD/send/", 403, "You may not do this"),
        (f"/app/{friend.name}/USD/", 404, "There is nothing here"),
    ):
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == status
        expect(page.get_by_role("heading", name=words)).to_be_visible()
        assert findings(page) == []
    # The browser writes the status of each such page on its console.
    viewer.complaints[:] = [one for one in viewer.complaints if not re.search("status of (403|404)", one)]


def test_the_form_is_filled_and_sent_by_keyboard_alone(owner: Watched, shop: MerchantIdentity, friend: MerchantIdentity) -> None:
    page = owner.page
    page.goto(f"/app/{shop.name}/USD/send/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "recipient":
            break
    page.keyboard.type(friend.name)
    page.keyboard.press("Tab")
    page.keyboard.type("4.00")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Send 4.00 USD")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    toast(page, "4.00 USD was sent")
    assert moved(shop) == 1


def test_without_scripts_every_step_works(chromium: Browser, site: Service, shop: MerchantIdentity, friend: MerchantIdentity) -> None:
    context = chromium.new_context(base_url=site.base_url, java_script_enabled=False)
    session = session_of(new_member(shop)).cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": site.base_url}])
    page = context.new_page()
    page.goto(f"/app/{shop.name}/USD/send/")
    page.get_by_label("To", exact=True).fill(friend.name)
    page.get_by_label("Amount").fill("200.00")
    page.get_by_role("button", name="Review").click()
    page.get_by_role("button", name="Send 200.00 USD").click()
    expect(page.locator(".notice-error")).to_contain_text("insufficient_funds")
    page.get_by_label("Amount").fill("2.00")
    page.get_by_role("button", name="Review").click()
    page.get_by_role("button", name="Send 2.00 USD").click()
    expect(page.locator(".notice-success")).to_contain_text("2.00 USD was sent")
    page.reload()
    expect(page.locator(".notice-success")).to_have_count(0)
    context.close()
    assert moved(shop) == 1


@pytest.mark.parametrize("width", [360, pytest.param(1280, marks=long_only)])
def test_every_page_is_accessible_and_fits(owner: Watched, shop: MerchantIdentity, friend: MerchantIdentity, width: int) -> None:
    page = owner.page
    page.set_viewport_size({"width": width, "height": 800})
    found: dict[str, object] = {}

    def look(name: str) -> None:
        needed = page.evaluate("document.documentElement.scrollWidth")
        if seen := [*findings(page), *([f"{needed} px wide"] if needed > width else [])]:
            found[name] = seen

    for address in ("", f"new/?merchant={shop.name}", f"{shop.name}/USD/", f"{shop.name}/USD/add/", f"{shop.name}/USD/withdraw/"):
        page.goto(f"/app/{address}")
        look(address)
    page.get_by_text("Ada Park").click()
    look("the menu of the account")
    page.goto(f"/app/{shop.name}/USD/send/")
    page.get_by_role("button", name="Review").click()
    expect(page.locator("#amount-error")).not_to_be_empty()
    look("what is missing")
    fill(page, shop, friend.name, "1.00")
    look("review")
    page.get_by_role("button", name="Send 1.00 USD").click()
    toast(page, "1.00 USD was sent")
    look("sent")
    page.go_back()
    expect(page.get_by_role("heading", name="This form was carried out")).to_be_visible()
    look("carried out")
    assert found == {}


def test_people_without_a_merchant_are_told_so(sign_in: Opened) -> None:
    page = sign_in(User.objects.create_user(unique("alone"), name="Alone")).page
    page.goto("/app/")
    expect(page.get_by_role("heading", name="There is no wallet to show")).to_be_visible()
    assert findings(page) == []


def test_a_first_page_is_small_and_soon_there(owner: Watched, shop: MerchantIdentity) -> None:
    page = owner.page
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    received: list[int] = []
    session.on("Network.loadingFinished", lambda event: received.append(int(event["encodedDataLength"])))
    page.goto("/app/", wait_until="networkidle")
    assert len(received) >= 6
    assert sum(received) <= MOST_BYTES_OF_A_FIRST_PAGE, received
    paints = []
    for _ in range(5):
        page.goto(f"/app/{shop.name}/USD/", wait_until="load")
        # Not ``wait_for_function``: it evaluates a text in the page, which the policy forbids.
        until(lambda: page.evaluate("performance.getEntriesByName('first-contentful-paint').length > 0"), "nothing was painted")
        paints.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
    assert min(paints) <= MOST_MS_TO_FIRST_PAINT, paints


def test_amounts_are_exact_to_the_last_unit(owner: Watched, shop: MerchantIdentity) -> None:
    assert available(shop, USD) == 10_000
    page = owner.page
    page.goto(f"/app/{shop.name}/USD/withdraw/")
    page.get_by_label("Amount").fill("99999999999999999.99")
    expect(page.locator("#quote")).to_contain_text("99999999999999999.99 leaves this wallet.")


def test_after_signing_out_back_shows_no_balance(owner: Watched, shop: MerchantIdentity) -> None:
    page = owner.page
    page.goto(f"/app/{shop.name}/USD/")
    expect(page.locator(".amount-large")).to_have_text("100.00 USD")
    page.get_by_text("Ada Park").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/app/login/"))
    page.go_back()
    expect(page).to_have_url(re.compile("/app/login/"))
    expect(page.locator("body")).not_to_contain_text("100.00 USD")
