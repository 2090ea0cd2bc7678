"""Lists by the keyboard: a merchant's name is completed, the list narrows, its rows are taken away, and the dashboard leads to them."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.accessibility import findings
from tests.browser.test_pages import every_page
from tests.browser.test_tasks import pay
from tests.services.test_admin import new_merchant
from tests.services.test_rollups import settle


def test_a_list_is_narrowed_by_a_completed_name_and_taken_away(operator: Page) -> None:
    source, target = new_merchant(500_000), new_merchant()
    pay(source, target, 12_345)
    operator.goto("/admin/transfers/transfer/")
    operator.get_by_label("Merchant, on either side").focus()
    operator.keyboard.type(source.name)
    expect(operator.locator(f'datalist option[value="{source.name}"]')).to_have_count(1)
    operator.get_by_label("Kind").select_option("transfer")
    operator.keyboard.press("Tab")
    operator.get_by_role("button", name="Filter", exact=True).press("Enter")
    expect(operator.locator("#result_list tbody")).to_have_count(1)
    expect(operator.locator("#result_list")).to_contain_text("123.45 USD")
    expect(operator.get_by_label("Merchant, on either side")).to_have_value(source.name)
    for form in ("CSV", "XLSX"):
        with operator.expect_download() as downloading:
            operator.get_by_role("link", name=form, exact=True).click()
        assert re.fullmatch(rf"transfers-[0-9-]+\.{form.lower()}", downloading.value.suggested_filename)
    operator.get_by_label("Merchant, on either side").fill("nobody-of-this-name")
    operator.keyboard.press("Enter")
    expect(operator.get_by_role("alert")).to_contain_text("There is no merchant")
    expect(operator.locator("#result_list")).to_have_count(0)
    assert findings(operator) == []


def test_the_dashboard_leads_to_the_rows_of_a_day(operator: Page) -> None:
    pay(new_merchant(500_000), new_merchant(), 100)
    settle()
    operator.goto("/admin/?currency=USD")
    chart = operator.locator(".ledger-sparklines .ledger-card").first
    number = chart.locator(".note a").first.inner_text().replace(",", "")
    chart.locator("svg a").last.click()
    expect(operator.get_by_role("heading", name="Transfers").first).to_be_visible()
    expect(operator.locator("body")).to_contain_text(re.compile(rf"\b{number} (transfers?|results?)"))


def test_no_list_breaks_a_rule_of_wcag(root: Page) -> None:
    pages = every_page()
    found = []
    for name in ("list of refusals", "list of requests to add money"):  # tests/browser/test_access.py looks at the others
        root.goto(pages[name])
        found += [f"{name}: {one}" for one in findings(root)]
    root.goto(pages["list of accounts"] + "?kind=value&at=2026-01-31&currency=nothing")
    assert found + findings(root) == []
