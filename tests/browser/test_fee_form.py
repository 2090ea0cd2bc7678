"""The form of a fee version: fields that apply, tiers as rows by the keyboard, and the preview while it is typed."""

from __future__ import annotations

import os

from django.urls import reverse
from playwright.sync_api import Page, expect

from fees.models import FeeSchedule
from tests.browser.accessibility import findings
from tests.services.test_admin import change_page, new_merchant


def shoot(page: Page, name: str) -> None:
    """Keep a picture in each colour scheme, if a folder for them is named."""
    if folder := os.environ.get("SHOTS"):
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=f"{folder}/{name}-{scheme}.png", full_page=True)
        page.emulate_media(color_scheme="light")


def test_a_version_with_tiers_is_made_by_the_keyboard(fee_manager: Page) -> None:
    page, merchant = fee_manager, new_merchant()
    page.goto(reverse("admin:fee_append"))
    preview = page.locator("#preview")
    expect(preview).to_contain_text("1% of 112.50 = 1.125, half-even → 1.12")
    expect(page.get_by_label("Minimum")).to_be_hidden()
    shoot(page, "fee-form-empty")
    page.get_by_label("Merchant", exact=True).press_sequentially(merchant.name)
    expect(page.locator(f"datalist option[value='{merchant.name}']")).to_have_count(1)
    page.get_by_label("Currency", exact=True).select_option("USD")
    expect(page.get_by_label("Minimum, USD")).to_be_visible()
    expect(page.get_by_label("Amounts up to, tier 1")).to_be_hidden()
    page.get_by_label("Tiers", exact=True).select_option("graduated")
    expect(page.get_by_label("Rate, per cent of the amount")).to_be_hidden()
    page.get_by_label("Amounts up to, tier 1").focus()
    for text in ("5,000", "1", "", None, "", "0.5", "", None):
        if text is None:
            page.keyboard.press("Tab")  # past the button that removes the row
        else:
            page.keyboard.type(text)
            page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Add a tier")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Amounts up to, tier 3")).to_be_focused()
    for text in ("100", "2", "0.30"):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    page.get_by_label("Amounts to try").fill("50 6,000")
    expect(preview).to_contain_text("each slice by its tier: 2% of 100.00 + 0.30 flat + 1% of 4,900.00 + 0.5% of 1,000.00 = 56.30")
    expect(page.locator("#preview-state")).to_contain_text("Nothing is stored yet")
    shoot(page, "fee-form-tiers")
    assert findings(page) == []
    page.get_by_role("button", name="Remove tier 3").press("Enter")
    expect(page.get_by_label("Amounts up to, tier 2")).to_be_focused()
    expect(preview).to_contain_text("1% of 5,000.00 + 0.5% of 1,000.00 = 55.00")
    page.get_by_label("In force from (UTC)").fill("2027-03-01T00:00")
    page.get_by_label("Reason").fill("agreed")
    page.get_by_role("button", name="Save as the next version").press("Enter")
    expect(page.locator("#content, body").first).to_contain_text("Version 1 for")
    stored = FeeSchedule.objects.get(merchant_id=merchant.id)
    assert [(tier["up_to_minor"], tier["rate"]) for tier in stored.tiers] == [(500_000, "0.01"), (None, "0.005")]
    assert f"{stored.effective_from:%Y-%m-%d %H:%M}" == "2027-03-01 00:00"


def test_a_wrong_row_is_told_where_it_is_and_keeps_what_was_typed(fee_manager: Page) -> None:
    page = fee_manager
    page.goto(reverse("admin:fee_append"))
    page.get_by_label("Currency", exact=True).select_option("USD")
    page.get_by_label("Tiers", exact=True).select_option("volume")
    page.get_by_label("Amounts up to, tier 1").fill("10,50")
    page.get_by_label("Rate, per cent, tier 1").fill("1")
    page.get_by_label("Rate, per cent, tier 2").fill("2")
    page.get_by_label("Reason").fill("agreed")
    expect(page.locator("#preview-state")).to_contain_text("Not understood yet. Tiers: Not all rows can be used.")
    page.get_by_role("button", name="Save as the next version").click()
    row = page.locator("#tier-rows li").first
    expect(row).to_contain_text("a comma groups thousands")
    expect(page.get_by_label("Amounts up to, tier 1")).to_have_value("10,50")
    shoot(page, "fee-form-wrong")
    assert findings(page) == []


def test_versions_are_compared_on_amounts_of_ones_own(fee_manager: Page) -> None:
    page, merchant = fee_manager, new_merchant()
    page.goto(f"{reverse('admin:fee_append')}?merchant={merchant.name}")
    page.get_by_label("Currency", exact=True).select_option("USD")
    page.get_by_label("Rate, per cent of the amount").fill("0.8")
    page.get_by_label("Minimum, USD").fill("0.50")
    expect(page.locator("#preview")).to_contain_text("beside this draft")
    shoot(page, "fee-form-beside")
    page.get_by_label("Reason").fill("agreed")
    page.get_by_role("button", name="Save as the next version").click()
    shoot(page, "fee-version")
    page.goto(reverse("admin:fees_feeschedule_changelist"))
    shoot(page, "fee-list")
    for box in page.locator("#result_list input.action-select").all()[:2]:
        box.check()
    page.locator("select[name=action]").select_option("compare_two")
    page.get_by_role("button", name="Run").or_(page.locator("button[name=index]")).first.click()
    page.get_by_label("Amounts to try").fill("10 112.50 5,000")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#content")).to_contain_text("differs")
    expect(page.locator("#content")).to_contain_text("5,000.00")
    shoot(page, "fee-comparison")
    assert findings(page) == []
    assert change_page(FeeSchedule.objects.get(merchant_id=merchant.id)) in page.content()
