"""``python -m tests.browser.screenshots``: the pictures of the admin in ``docs/screenshots``, of a demo ledger that is thrown away.

Each page in light and dark, with a palette of 128 colours: what a page of text and lines needs, at a fraction of the size.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

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


@contextmanager
def demo() -> Iterator[str]:
    """Serve a demo ledger that was reconciled just now; yield its address."""
    with tempfile.TemporaryDirectory(prefix="ledger-pictures-") as folder:
        port = free_port()
        values = environment(folder, port)
        serving = subprocess.Popen([sys.executable, "manage.py", "serve"], cwd=ROOT, env=values, stdout=subprocess.DEVNULL)
        try:
            wait_until_ready(f"http://127.0.0.1:{port}")
            subprocess.run([sys.executable, "manage.py", "reconcile"], cwd=ROOT, env=values, check=True, stdout=subprocess.DEVNULL)
            yield f"http://127.0.0.1:{port}"
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
    return {
        "dashboard": ("/admin/", 1360, ""),
        "merchant": (merchant, 1000, ""),
        "statement": (account, 1000, ""),
        "fees": (fees.split("?", maxsplit=1)[0] + "?compare=1", 1000, "Time line of this scope"),
    }


def take(page: Page, target: Path) -> None:
    """Save what the page shows."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    picture.save(target, optimize=True)
    size = target.stat().st_size
    print(f"{target.relative_to(ROOT)}  {picture.width}×{picture.height}  {size / 1000:.0f} kB")
    assert size < MOST_BYTES, f"{target.name} is too large"


def main() -> int:
    """Take them all."""
    if not have_chromium():
        print(f"There is no {CHROMIUM}.", file=sys.stderr)
        return 1
    FOLDER.mkdir(exist_ok=True)
    with demo() as site, sync_playwright() as playwright:
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
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
