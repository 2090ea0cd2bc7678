"""How the browser is started, and how one logs in: what tests and pictures share."""

from __future__ import annotations

from playwright.sync_api import Page

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def log_in(page: Page, base_url: str, username: str, password: str) -> None:
    """Log in as a person would."""
    page.goto(f"{base_url}/admin/")
    page.get_by_label("E-mail address or user name").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Dashboard").first.wait_for()
