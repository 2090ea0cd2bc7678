"""``python -m tests.browser.screenshots``: the pictures of the admin and the portal in ``docs/screenshots``, of a demo ledger that is thrown away.

Each page in light and dark, with a palette of 128 colours: what a page of text and lines needs, at a fraction of the size.
"""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.__main__ import CHROMIUM, have_chromium
from tests.browser.chromium import ARGUMENTS, log_in
from tests.environment import ROOT
from tests.support.servers import free_port, wait_until_ready

FOLDER = ROOT / "docs" / "screenshots"
WIDTH = 1280
MOST_BYTES = 200_000
MERCHANT = "alice_store"
AGREED = "delta-freight"
"""A merchant of the demo that has fees of its own, in two versions."""


def environment(folder: str, port: int) -> dict[str, str]:
    """Return what the service needs to keep everything in a folder."""
    return os.environ | {"LEDGER_DATA_DIR": folder, "PORT": str(port), "WORKERS": "1", "LEDGER_LOG_LEVEL": "CRITICAL", "DATABASE_URL": ""}


MORE_THAN_THE_DEMO = """
from approvals.services.requests import ask
from django.test import Client
from ledger_project.database.fields import new_id
from merchants.models import Merchant
from merchants.selectors import identify_now, known_currency
from merchants.services import state_change
from people.models import Membership, User
from transfers.domain.commands import Deposit, Details, Withdraw
alice, delta = (identify_now(names=[name]).merchant(name) for name in ("alice_store", "delta-freight"))
colleague = User.objects.create_user("grace", "grace@example.com", is_staff=True)
for command in (
    Withdraw(alice, known_currency("USD"), 12_500_00, Details(memo="payout of November")),
    Deposit(delta, known_currency("EUR"), 40_000_00, Details(memo="bank slip 2026-118")),
):
    with state_change():
        ask(command, principal=f"admin:{colleague.pk}", request_id=str(new_id()))
user = User.objects.create_user("ada@example.com", "ada@example.com", name="Ada Park")
Membership.objects.create(user=user, merchant=Merchant.objects.get(name="alice_store"))
client = Client()
client.force_login(user, backend="people.access.backends.PeopleBackend")
print("session", client.cookies["sessionid"].value)
"""


@contextmanager
def demo() -> Iterator[tuple[str, str]]:
    """Serve a demo ledger that was reconciled just now, with commands that wait for a second person; yield its address, and the session
    of a member of a merchant."""
    with tempfile.TemporaryDirectory(prefix="ledger-pictures-") as folder:
        port = free_port()
        values = environment(folder, port)
        serving = subprocess.Popen([sys.executable, "manage.py", "serve"], cwd=ROOT, env=values, stdout=subprocess.DEVNULL)
        try:
            wait_until_ready(f"http://127.0.0.1:{port}")
            subprocess.run([sys.executable, "manage.py", "reconcile"], cwd=ROOT, env=values, check=True, stdout=subprocess.DEVNULL)
            shell = [sys.executable, "manage.py", "shell", "-v", "0", "-c", MORE_THAN_THE_DEMO]
            values |= {"LEDGER_AUTH": "open", "LEDGER_BIND": "127.0.0.1"}
            said = subprocess.run(shell, cwd=ROOT, env=values, check=True, stdout=subprocess.PIPE, text=True).stdout
            (session,) = re.findall(r"^session (\w+)$", said, re.MULTILINE)
            yield f"http://127.0.0.1:{port}", session
        finally:
            serving.send_signal(signal.SIGINT)
            serving.wait(30)


def link(page: Page, address: str, text: str) -> str:
    """Return where a link with this text leads."""
    page.goto(address)
    found = page.get_by_role("link", name=text, exact=True).first.get_attribute("href")
    assert found, (address, text)
    return found.split("?", maxsplit=1)[0]


def pages(page: Page, site: str) -> dict[str, tuple[str, int, str]]:
    """Return for each picture its address, how high it is, and the heading that it begins with, if not with the top of the page."""
    merchant = link(page, f"{site}/admin/merchants/merchant/?q={MERCHANT}", MERCHANT)
    account = link(page, site + merchant, "USD")
    page.goto(f"{site}/admin/fees/feeschedule/?q={AGREED}")
    fees = page.locator("#result_list a[href*='/change/']").first.get_attribute("href") or ""
    merchant_id = merchant.split("/")[-3]
    return {
        "dashboard": ("/admin/", 1360, ""),
        "transfers": (f"/admin/transfers/transfer/?merchant={MERCHANT}&currency=USD", 900, ""),
        "find": (f"/admin/transfers/transfer/find/?q={AGREED}", 900, ""),
        "refusals": ("/admin/transfers/refusal/", 900, ""),
        "log": ("/admin/admin/logentry/", 900, ""),
        "approvals": ("/admin/approvals/approval/", 900, ""),
        "statements": (f"/admin/merchants/account/statements/?merchant={merchant_id}&format=camt053", 900, ""),
        "merchant": (merchant, 1000, ""),
        "statement": (account, 1000, ""),
        "fees": (fees.split("?", maxsplit=1)[0], 1000, "Time line of this scope"),
    }


def take(page: Page, target: Path) -> None:
    """Save what the page shows."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    picture.save(target, optimize=True)
    size = target.stat().st_size
    print(f"{target.relative_to(ROOT)}  {picture.width}×{picture.height}  {size / 1000:.0f} kB")
    assert size < MOST_BYTES, f"{target.name} is too large"


def take_portal(browser: Browser, site: str, session: str) -> None:
    """Save the pages of a member: on a desk and on a phone, in light and dark."""
    for scheme in ("light", "dark"):
        context = browser.new_context(base_url=site, viewport={"width": WIDTH, "height": 720}, color_scheme=scheme)
        context.add_cookies([{"name": "sessionid", "value": session, "url": site}])
        page = context.new_page()
        page.goto("/app/")
        take(page, FOLDER / f"portal-wallets-{scheme}.png")
        page.goto(f"/app/{MERCHANT}/USD/history/?days=90")
        page.locator(".uplot").wait_for()
        take(page, FOLDER / f"portal-history-{scheme}.png")
        page.set_viewport_size({"width": 360, "height": 780})
        take(page, FOLDER / f"portal-history-{scheme}-360.png")
        page.set_viewport_size({"width": WIDTH, "height": 720})
        page.goto(f"/app/{MERCHANT}/people/")
        take(page, FOLDER / f"portal-people-{scheme}.png")
        page.goto(f"/app/{MERCHANT}/USD/send/")
        page.get_by_label("To", exact=True).fill(AGREED)
        page.get_by_label("Amount").fill("3.00")
        page.get_by_label("Memo").fill("March rent")
        page.locator("#quote").get_by_text("Fee").wait_for()
        take(page, FOLDER / f"portal-send-{scheme}.png")
        page.set_viewport_size({"width": 360, "height": 780})
        page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        take(page, FOLDER / f"portal-phone-form-{scheme}.png")
        page.get_by_role("button", name="Review").click()
        page.get_by_role("heading", name="Send 3.00").wait_for()
        take(page, FOLDER / f"portal-phone-review-{scheme}.png")
        page.get_by_role("button", name="Change").click()
        page.get_by_label("Amount").fill("9,000,000.00")
        page.get_by_role("button", name="Review").click()
        page.get_by_role("button", name="Send 9,000,000.00").click()
        page.locator(".notyf__toast").wait_for()
        page.wait_for_timeout(700)  # the toast comes in
        take(page, FOLDER / f"portal-phone-refused-{scheme}.png")
        context.close()
        stranger = browser.new_page(base_url=site, viewport={"width": WIDTH, "height": 720}, color_scheme=scheme)
        stranger.goto("/app/login/")
        take(stranger, FOLDER / f"portal-sign-in-{scheme}.png")
        stranger.close()


def main() -> int:
    """Take them all."""
    if not have_chromium():
        print(f"There is no {CHROMIUM}.", file=sys.stderr)
        return 1
    FOLDER.mkdir(exist_ok=True)
    with demo() as (site, session), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": WIDTH, "height": 900})
        log_in(page, site, "admin", "admin")
        for name, (address, height, heading) in pages(page, site).items():
            page.set_viewport_size({"width": WIDTH, "height": height})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                page.goto(site + address)
                page.evaluate("document.fonts.ready")
                if heading:
                    page.get_by_role("heading", name=heading).evaluate(
                        "element => window.scrollTo(0, element.getBoundingClientRect().top - 96)"
                    )
                page.wait_for_timeout(300)  # colours fade in
                take(page, FOLDER / f"{name}-{scheme}.png")
        take_portal(browser, site, session)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
