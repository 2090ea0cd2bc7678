"""A real Chromium on a real server. Whatever a page says on its console, or asks of another machine, fails the test that opened it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import Group, User
from django.db import connections
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.__main__ import CHROMIUM
from tests.browser.chromium import ARGUMENTS, log_in
from tests.factories import unique
from tests.servers import Service

PASSWORD = "a-password-for-tests"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Stay out of the main run, whose event loop does not go with Playwright's: ``make browser`` runs these."""
    del collection_path
    return True if config.pluginmanager.hasplugin("asyncio") else None


@pytest.fixture(scope="session")
def site(ledger: None) -> Iterator[Service]:
    """The service, on a port of its own."""
    del ledger
    with Service(workers=1) as running:
        yield running


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser."""
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()
        # Under Playwright's event loop Django keeps connections apart from those outside of it; they are closed where they were opened.
        connections.close_all()


class Watched:
    """A page that is watched: ``complaints`` are console errors, failed scripts, server errors, and requests that left the machine."""

    def __init__(self, context: BrowserContext, base_url: str) -> None:
        self.complaints: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("console", lambda m: self.complaints.append(f"console: {m.text}") if m.type in {"error", "warning"} else None)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        self.page.on("response", lambda r: self.complaints.append(f"{r.status} {r.url}") if r.status >= 500 else None)
        self.page.on("request", lambda r: None if self._is_local(r.url, base_url) else self.complaints.append(f"outside: {r.url}"))

    @staticmethod
    def _is_local(url: str, base_url: str) -> bool:
        parts = urlsplit(url)
        return parts.scheme in {"data", "blob"} or f"{parts.scheme}://{parts.netloc}" == base_url


def user(role: str | None) -> str:
    """Make a user of a role, or a superuser, and return the name."""
    name = unique((role or "root").replace(" ", "-"))
    if role is None:
        User.objects.create_superuser(name, password=PASSWORD)
    else:
        User.objects.create_user(name, password=PASSWORD, is_staff=True).groups.add(Group.objects.get(name=role))
    return name


@pytest.fixture
def root(chromium: Browser, site: Service) -> Iterator[Page]:
    """A superuser's page; the test fails if anything was wrong with what it showed."""
    yield from _session(chromium, site, None)


@pytest.fixture
def operator(chromium: Browser, site: Service) -> Iterator[Page]:
    """An operator's page."""
    yield from _session(chromium, site, "operator")


@pytest.fixture
def fee_manager(chromium: Browser, site: Service) -> Iterator[Page]:
    """A fee manager's page."""
    yield from _session(chromium, site, "fee manager")


def _session(browser: Browser, site: Service, role: str | None) -> Iterator[Page]:
    context = browser.new_context(base_url=site.base_url, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    watched = Watched(context, site.base_url)
    log_in(watched.page, site.base_url, user(role), PASSWORD)
    yield watched.page
    context.close()
    assert watched.complaints == []
