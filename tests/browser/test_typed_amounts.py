"""The reversal form says what it would send back while the amount is typed, before anything is posted."""

from __future__ import annotations

import os

from playwright.sync_api import Page, expect

from tests.browser.test_tasks import find, pay
from tests.services.test_admin import new_merchant
from transfers.models import Transfer


def test_an_amount_is_shown_as_it_is_understood_while_it_is_typed(operator: Page) -> None:
    source, target = new_merchant(500_000), new_merchant()
    made = pay(source, target, 200_000)
    find(operator, str(made))
    operator.get_by_role("link", name="Reverse", exact=True).first.click()
    understood = operator.locator("#understood")
    expect(understood).to_contain_text(f"2,000.00 USD goes back from {target.name} to {source.name}, and 20.00 USD of the fee")
    operator.get_by_label("Amount").fill("10,50")
    expect(understood).to_contain_text("Not understood. Amount: a comma groups thousands")
    operator.get_by_label("Amount").fill("1,050")
    expect(understood).to_contain_text("1,050.00 USD goes back")
    expect(understood).to_contain_text("10.50 USD of the fee")
    expect(understood).to_contain_text("Then 950.00 USD is left")
    if folder := os.environ.get("SHOTS"):
        operator.screenshot(path=f"{folder}/reversal.png")
    assert not Transfer.objects.filter(reverses_id=made).exists()
    operator.get_by_label("Reason").fill("agreed")
    operator.get_by_role("button", name="Reverse this transfer").click()
    expect(operator.locator("#content, body").first).to_contain_text("Reversed 1,050.00 USD by")
    if folder:
        operator.screenshot(path=f"{folder}/reversed.png")
    assert Transfer.objects.get(reverses_id=made).amount_minor == 105_000
