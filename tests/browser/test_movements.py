"""Operators move money by the keyboard alone: what the form says, what it asks again, and what it did."""

from __future__ import annotations

import os
import re

from playwright.sync_api import Page, expect

from merchants.models import Account
from tests.browser.test_tasks import find
from tests.services.test_admin import available, change_page, new_merchant
from tests.support.factories import unique


def shoot(page: Page, name: str) -> None:
    """Keep a picture of the page in both schemes, where pictures are wanted."""
    if folder := os.environ.get("SHOTS"):
        for scheme in ("light", "dark"):
            page.evaluate("scheme => document.documentElement.classList.toggle('dark', scheme === 'dark')", scheme)
            page.screenshot(path=f"{folder}/{name}-{scheme}.png", full_page=True)
        page.evaluate("document.documentElement.classList.remove('dark')")


def test_money_is_transferred_by_the_keyboard_alone(operator: Page) -> None:
    source, target = new_merchant(), new_merchant()
    operator.get_by_role("link", name="Transfers").first.click()
    operator.get_by_role("link", name="New transfer").first.focus()
    operator.keyboard.press("Enter")
    expect(operator.get_by_label("From")).to_be_focused()
    operator.keyboard.type(source.name)  # many others of this run begin alike, and ten names are offered
    expect(operator.locator(f"datalist option[value='{source.name}']")).to_have_count(1)
    for text in (target.name, "USD", "15"):
        operator.keyboard.press("Tab")
        operator.keyboard.type(text)
    understood = operator.locator("#understood")
    expect(understood).to_contain_text(f"15.00 USD goes from {source.name} to {target.name}. The fee is 0.15 USD")
    expect(understood).to_contain_text(f"{source.name}: 100.00 USD now, 84.85 after. {target.name}: 100.00 USD now, 115.00 after.")
    operator.keyboard.press("Tab")
    operator.keyboard.type("agreed on the phone")
    shoot(operator, "new-transfer")
    operator.keyboard.press("Enter")
    expect(operator).to_have_url(re.compile("/transfers/transfer/[0-9a-f-]{36}/change/"))
    expect(operator.locator("body")).to_contain_text(f"Transferred 15.00 USD to {target.name} by")
    expect(operator.locator("body")).to_contain_text(f"{source.name}: 100.00 USD before, 84.85 after")
    shoot(operator, "transferred")
    assert (available(source), available(target)) == (8485, 11_500)
    operator.go_back()  # it shows a new form
    for label, text in (("From", source.name), ("Amount", "15.00"), ("Reason", "agreed on the phone")):
        operator.get_by_label(label).fill(text)
    operator.locator("#id_target").fill(target.name)
    operator.get_by_label("Currency").select_option("USD")
    expect(understood).to_contain_text(f"{source.name}: 84.85 USD now, 69.70 after.")
    operator.get_by_label("Reason").press("Enter")
    expect(operator.get_by_role("alert")).to_contain_text(f"You did this 0\xa0minutes ago: Transferred 15.00 USD to {target.name} by")
    assert available(source) == 8485


def test_money_comes_into_a_wallet_and_a_second_time_only_after_a_question(operator: Page) -> None:
    merchant = new_merchant()
    wallet = Account.objects.get(merchant_id=merchant.id, kind="wallet")
    operator.goto(change_page(wallet))
    shoot(operator, "wallet")
    for round_, told in enumerate(("Deposited 12.50 USD by", "You did this 0")):
        operator.goto(change_page(wallet, "deposit"))
        operator.get_by_label("Amount").fill("12.50")
        balances = f"{merchant.name}: {100 + 12.5 * round_:.2f} USD now, {112.5 + 12.5 * round_:.2f} after."
        expect(operator.locator("#understood")).to_contain_text(balances)
        operator.get_by_label("Reason").fill("cheque 17")
        operator.keyboard.press("Enter")
        expect(operator.locator("body")).to_contain_text(told)
    shoot(operator, "deposit-again")
    assert available(merchant) == 11_250
    operator.get_by_label("Reason").press("Enter")
    expect(operator.locator("body")).to_contain_text("112.50 USD before, 125.00 after")
    assert available(merchant) == 12_500


def test_a_merchant_is_registered_and_found(operator: Page) -> None:
    name = unique("shop")
    operator.get_by_role("link", name="Merchants").first.click()
    operator.get_by_role("link", name="Register a merchant").first.click()
    expect(operator.locator("#id_name")).to_be_focused()
    operator.keyboard.type(name)
    operator.get_by_label("Display name").fill("Mira & <Daughters>")
    operator.get_by_label("Currency").select_option("USD")
    operator.get_by_label("Opening balance").fill("50")
    expect(operator.locator("#understood")).to_contain_text(f"{name} (Mira & <Daughters>) is registered with a USD wallet, and 50.00 USD")
    operator.get_by_label("Reason").fill("contract 4")
    shoot(operator, "registration")
    operator.get_by_role("button", name="Register a merchant").click()
    expect(operator.locator("body")).to_contain_text(f"{name}: 0.00 USD before, 50.00 after")
    shoot(operator, "registered")
    find(operator, name)
    expect(operator.locator("body")).to_contain_text("50.00 USD")
