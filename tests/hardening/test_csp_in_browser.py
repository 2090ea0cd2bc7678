"""The pages work under their Content-Security-Policy, and need what it allows. Measured in Chromium."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import BrowserContext, Page, Route, async_playwright

from ledger_project.database.readers import in_reader
from people.models import User
from tests.support.factories import unique
from tests.support.servers import Service

CHROMIUM = shutil.which("chromium")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")]

PAGES = ["/", "/admin/people/apikey/add/", "/app/security/", "/app/security/app/", "/docs"]
"""Pages that no test in tests/browser opens. There a page that says anything on its console fails its test."""


@pytest.fixture(scope="module")
async def browser(ledger: None) -> AsyncIterator[BrowserContext]:
    """A browser that is logged in to the admin of a running service."""
    del ledger
    name = unique("op")
    await in_reader(User.objects.create_superuser, name, password="correct horse")
    with Service() as service:
        async with async_playwright() as playwright:
            chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            context = await chromium.new_context(base_url=service.base_url)
            page = await context.new_page()
            await page.goto("/admin/login/?next=/admin/")
            await page.fill("input[name=login]", name)
            await page.fill("input[name=password]", "correct horse")
            await page.click("button[type=submit]")
            await page.wait_for_url("**/admin/")
            yield context
            await chromium.close()


async def violations(context: BrowserContext, path: str, *, without: str = "") -> list[str]:
    """Open a page and return what its policy forbade; with ``without`` taken out of the policy first."""
    page: Page = await context.new_page()
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if "Content Security Policy" in message.text else None)
    page.on("pageerror", lambda error: found.append(str(error)))

    async def stricter(route: Route) -> None:
        response = await route.fetch()
        policy = response.headers.get("content-security-policy", "").replace(without, "")
        await route.fulfill(response=response, headers={**response.headers, "content-security-policy": policy})

    if without:
        await page.route(f"**{path}", stricter)
    response = await page.goto(path, wait_until="networkidle")
    assert response is not None
    assert response.status == 200
    assert response.headers["content-security-policy"]
    await page.close()
    return found


async def test_no_page_does_what_its_policy_forbids(browser: BrowserContext) -> None:
    found = {path: await violations(browser, path) for path in PAGES}
    assert found == {path: [] for path in PAGES}


@pytest.mark.parametrize("source", ["'unsafe-eval'", "'unsafe-inline'"])
async def test_what_the_policy_of_the_admin_allows_is_needed(browser: BrowserContext, source: str) -> None:
    assert await violations(browser, "/admin/merchants/merchant/", without=source)
