"""What axe-core finds on a page, by the rules of WCAG 2.2, levels A and AA, in light and in dark.

``vendor/axe-4.14.1.min.js`` is axe-core as its makers publish it (MPL-2.0).
"""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

_AXE = (Path(__file__).parent / "vendor" / "axe-4.14.1.min.js").read_text()
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
_RUN = """rules => axe.run(document, {runOnly: rules, resultTypes: ["violations"]}).then(found => found.violations.map(
    rule => `${rule.id}: ${rule.nodes.map(node => node.html.slice(0, 200) + " " + node.any.map(check => check.message).join("; ")).join(" | ")}`))"""


def findings(page: Page) -> list[str]:
    """Return the findings on a page as it is now, in both colour schemes."""
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        if not page.evaluate("'axe' in window"):
            page.evaluate(_AXE)
        found += [f"{scheme} {page.url}: {text}" for text in page.evaluate(_RUN, _RULES)]
    page.emulate_media(color_scheme="light")
    return found
