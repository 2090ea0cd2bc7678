"""The page at ``/`` and the page of a wrong path, for somebody who has not signed in."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.accessibility import findings
from tests.browser.conftest import Watched
from tests.support.servers import Service


@pytest.fixture(params=[360, 1280])
def page(request: pytest.FixtureRequest, chromium: Browser, site: Service) -> Iterator[Page]:
    """A page on a telephone and on a desk."""
    context = chromium.new_context(base_url=site.base_url, viewport={"width": request.param, "height": 700})
    context.set_default_timeout(60_000)
    watched = Watched(context, site.base_url)
    yield watched.page
    context.close()
    # The console names the 404 of the page that is not there.
    assert [text for text in watched.complaints if "status of 404" not in text] == []


def test_the_first_page_leads_to_the_rest_by_the_keyboard(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("heading", name="Ledger")).to_be_visible()
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    links = page.get_by_role("link")
    for number in range(links.count()):
        page.keyboard.press("Tab")
        expect(links.nth(number)).to_be_focused()
    page.get_by_role("link", name="Admin").click()
    expect(page).to_have_url(re.compile("/login/"))


def test_a_wrong_path_leads_to_the_right_one(page: Page) -> None:
    page.goto("/healtz")
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("link", name="/healthz").click()
    expect(page).to_have_url(re.compile("/healthz$"))
    page.goto("/admin")
    expect(page).to_have_url(re.compile("/login/"))
