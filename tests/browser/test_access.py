"""The admin for everybody: by the keyboard, by a screen reader, in light and in dark, on a slow line."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, CDPSession, Page, expect

from merchants.models import Merchant
from tests.browser.accessibility import findings
from tests.browser.conftest import show_dashboard, user_of
from tests.browser.test_pages import every_page
from tests.services.test_admin import change_page, new_merchant
from tests.support.lengths import length
from tests.support.servers import Service

ONE_OF_EACH_SORT = (
    "dashboard", "find", "list of merchants", "merchant", "list of accounts", "account", "list of transfers", "transfer", "hold", "reverse",
    "fee schedule", "fee draft", "comparison", "list of log entries", "new transfer", "approve",
)  # fmt: skip
MORE = (
    "list of holds", "void", "freeze", "user", "list of idempotency records", "list of fee schedules", "deposit", "capture", "registration",
    "list of approvals", "approval", "list of approval policies", "new policy", "list of reconciliation runs",
)  # fmt: skip
LOOKED_AT = (*ONE_OF_EACH_SORT, *length(short=(), long=MORE))
MOST_BYTES = 450_000
_UNDRAWN = """() => [...document.querySelectorAll(".material-symbols-outlined")]
    .filter(icon => icon.offsetWidth > 0 && icon.scrollWidth > 1.7 * parseFloat(getComputedStyle(icon).fontSize)).map(icon => icon.textContent.trim())"""
"""The pictures that are shown as their names, because the font does not have them."""


def test_no_page_breaks_a_rule_of_wcag(root: Page) -> None:
    pages = every_page()
    found = []
    for name in LOOKED_AT:
        root.goto(pages[name])
        found += findings(root) + [f"{name}: the font has no picture {icon}" for icon in root.evaluate(_UNDRAWN)]
    assert found == [], "\n".join(found)


def test_the_first_tab_leads_past_the_menu(operator: Page) -> None:
    operator.keyboard.press("Tab")
    skip = operator.get_by_role("link", name="To the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    operator.keyboard.press("Enter")
    expect(operator.locator("#content")).to_be_focused()
    operator.keyboard.press("Tab")
    assert operator.evaluate("document.querySelector('#content').contains(document.activeElement)")


def test_the_search_and_the_menu_of_the_user_open_by_the_keyboard(operator: Page) -> None:
    search = operator.get_by_role("link", name="Find anything")
    search.focus()
    operator.keyboard.press("Enter")
    expect(operator.locator("#search-input-command")).to_be_focused()
    operator.keyboard.press("Escape")
    user = operator.get_by_role("button", name=re.compile("operator"))
    user.focus()
    operator.keyboard.press("Enter")
    expect(operator.get_by_role("button", name="Log out")).to_be_visible()
    assert findings(operator) == []
    dark = operator.get_by_role("button", name="Dark")
    dark.focus()
    operator.keyboard.press("Space")
    expect(operator.locator("html.dark")).to_have_count(1)


def test_the_focus_is_visible_wherever_the_keyboard_goes(operator: Page) -> None:
    merchant = Merchant.objects.get(id=new_merchant().id)
    operator.goto(change_page(merchant))
    for _ in range(40):
        operator.keyboard.press("Tab")
        hidden = operator.evaluate(
            """() => { const e = document.activeElement, s = getComputedStyle(e);
            return e === document.body || (s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2) ? null : e.outerHTML.slice(0, 200); }"""
        )
        assert hidden is None


def test_a_page_of_a_question_starts_in_its_first_field(operator: Page) -> None:
    merchant = Merchant.objects.get(id=new_merchant().id)
    operator.goto(change_page(merchant, "freeze"))
    expect(operator.get_by_label("Reason")).to_be_focused()


def test_who_may_not_do_it_reads_which_role_may(chromium: Browser, site: Service) -> None:
    merchant = Merchant.objects.get(id=new_merchant().id)
    context = chromium.new_context(base_url=site.base_url)
    page = context.new_page()
    show_dashboard(page, site.base_url, user_of("viewer"))
    response = page.goto(change_page(merchant, "freeze"))
    assert response is not None
    assert response.status == 403
    expect(page.locator("#content")).to_contain_text("This needs the role operator")
    assert findings(page) == []
    page.locator("#content").get_by_role("link", name="To the dashboard").click()
    expect(page.get_by_role("heading", name="Dashboard").first).to_be_visible()
    context.close()


def test_the_front_page_is_small_over_the_wire(chromium: Browser, site: Service) -> None:
    context = chromium.new_context(base_url=site.base_url)
    page = context.new_page()
    show_dashboard(page, site.base_url, user_of("operator"))
    wire: CDPSession = context.new_cdp_session(page)
    wire.send("Network.enable")
    wire.send("Network.setCacheDisabled", {"cacheDisabled": True})
    names: dict[str, str] = {}
    sizes: dict[str, int] = {}
    wire.on("Network.responseReceived", lambda event: names.update({event["requestId"]: event["response"]["url"]}))
    wire.on("Network.loadingFinished", lambda event: sizes.update({names[event["requestId"]]: int(event["encodedDataLength"])}))
    page.reload(wait_until="networkidle")
    largest = sorted(sizes.items(), key=lambda item: -item[1])
    assert 0 < sum(sizes.values()) <= MOST_BYTES, largest
    assert not any("chart.js" in name and size > 1000 for name, size in largest)
    context.close()
