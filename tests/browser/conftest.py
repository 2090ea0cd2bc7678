"""A real Chromium on a real server. Whatever a page says on its console, or asks of another machine, fails the test that opened it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import connections
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from people.models import User
from tests.browser.__main__ import CHROMIUM
from tests.browser.chromium import ARGUMENTS, log_in
from tests.support.factories import unique
from tests.support.servers import Service

PASSWORD = "a-password-for-tests"

# A busy machine may take its time. The limits cost time only when something is wrong.
expect.set_options(timeout=60_000)


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


def user_of(role: str) -> User:
    """Make a user of a role."""
    user = User.objects.create_user(unique(role.replace(" ", "-")), is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return user


@pytest.fixture
def root(chromium: Browser, site: Service) -> Iterator[Page]:
    """A superuser's page; the test fails if anything was wrong with what it showed."""
    name = unique("root")
    User.objects.create_superuser(name, password=PASSWORD)
    with _watched(chromium, site) as page:
        log_in(page, site.base_url, name, PASSWORD)
        yield page


@pytest.fixture
def operator(chromium: Browser, site: Service) -> Iterator[Page]:
    """An operator's page."""
    with _watched(chromium, site) as page:
        show_dashboard(page, site.base_url, user_of("operator"))
        yield page


@pytest.fixture
def fee_manager(chromium: Browser, site: Service) -> Iterator[Page]:
    """A fee manager's page."""
    with _watched(chromium, site) as page:
        show_dashboard(page, site.base_url, user_of("fee manager"))
        yield page


def show_dashboard(page: Page, base_url: str, user: User) -> None:
    """Open the dashboard in a session that has begun: the form of the log-in costs 2 s of CPU time."""
    client = Client()
    client.force_login(user)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": base_url}])
    page.goto("/admin/")
    page.get_by_role("heading", name="Dashboard").first.wait_for()


@contextmanager
def _watched(browser: Browser, site: Service) -> Iterator[Page]:
    context = browser.new_context(base_url=site.base_url, viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(60_000)
    watched = Watched(context, site.base_url)
    yield watched.page
    context.close()
    assert watched.complaints == []
