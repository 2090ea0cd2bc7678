"""Operators' real tasks, clicked through."""

from __future__ import annotations

import re
from uuid import UUID

import httpx
from playwright.sync_api import Page, expect

from fees.models import FeeSchedule
from ledger_project.database.fields import new_id
from merchants.models import Merchant
from tests.services.test_admin import USD, available, new_merchant, post
from tests.support.factories import key, unique
from tests.support.servers import Service
from transfers.domain.commands import Details, PlaceHold, TransferFunds
from transfers.models import Hold, Transfer


def pay(source: object, target: object, amount: int = 1000) -> UUID:
    made = post(TransferFunds(source, target, USD, amount, Details(memo="invoice 12")))
    assert made is not None
    return made


def find(page: Page, text: str) -> None:
    page.get_by_role("link", name="Find anything").first.click()
    page.get_by_role("searchbox", name="Find anything").fill(text)
    page.keyboard.press("Enter")


def confirm(page: Page, button: str, reason: str) -> None:
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name=button).click()


def test_a_merchant_is_found_by_part_of_its_name_and_shows_where_its_money_is(operator: Page) -> None:
    source, target = new_merchant(), new_merchant()
    pay(source, target)
    operator.get_by_role("link", name="Merchants").first.click()
    operator.get_by_placeholder("Type to search").first.fill(source.name[3:].upper())
    operator.keyboard.press("Enter")
    operator.get_by_role("link", name=source.name, exact=True).first.click()
    expect(operator.locator(".ledger-panel").first).to_contain_text("89.90 USD")
    operator.locator(".ledger-panel").first.get_by_role("link", name="USD", exact=True).click()
    statement = operator.locator(".ledger-panel").first
    expect(statement).to_contain_text("-10.00 USD")
    statement.get_by_label("Type").select_option("fee")
    statement.get_by_role("button", name="Filter").click()
    expect(operator.locator(".ledger-panel").first).to_contain_text("-0.10 USD")
    expect(operator.locator(".ledger-panel").first).not_to_contain_text("-10.00 USD")
    with operator.expect_download() as download:
        operator.get_by_role("link", name="Export as CSV").click()
    assert re.fullmatch(rf"statement-{source.name}-USD-wallet-fee-[0-9-]+-to-[0-9-]+\.csv", download.value.suggested_filename)
    text = download.value.path().read_text()
    assert ",fee,-0.10,89.90,USD," in text
    assert len(text.splitlines()) == 4  # the names of the columns, the closing line, the fee, the opening line


def test_a_transfer_is_reversed_with_a_reason_and_followed_to_its_reversal(operator: Page) -> None:
    source, target = new_merchant(), new_merchant()
    made = pay(source, target)
    find(operator, str(made))
    expect(operator.locator("#content")).to_contain_text(source.name)
    expect(operator.locator(".ledger-panel").first).to_contain_text("DEBIT")
    operator.get_by_role("link", name="Reverse", exact=True).first.click()
    expect(operator.locator("#content")).to_contain_text("10.00 USD can go back")
    operator.get_by_label("Reason").fill("sent twice")
    operator.get_by_role("button", name="Reverse this transfer").dblclick()  # an impatient operator
    expect(operator.locator("#reversals")).to_contain_text("reversed by")
    assert (available(source), available(target)) == (10_000, 10_000)
    reversal = Transfer.objects.get(reverses_id=made)
    operator.locator("#reversals").get_by_role("link", name=str(reversal.id)).click()
    expect(operator.locator("#reversals").get_by_role("link", name=str(made))).to_be_visible()
    operator.get_by_role("link", name=str(made)).last.click()
    expect(operator.locator(".ledger-panel", has_text="What operators did")).to_contain_text("sent twice")
    expect(operator.get_by_role("link", name="Reverse", exact=True)).to_have_count(0)


def test_a_frozen_merchant_is_refused_its_transfer_and_the_refusal_is_counted(operator: Page, site: Service) -> None:
    source, target = new_merchant(), new_merchant()
    find(operator, source.name)
    operator.get_by_role("link", name="Freeze", exact=True).first.click()
    confirm(operator, f"Freeze {source.name}", "chargeback 17")
    expect(operator.locator(".ledger-panel", has_text="What operators did")).to_contain_text(
        "Frozen with 100.00 USD available: chargeback 17"
    )
    body = {"from_merchant": source.name, "to_merchant": target.name, "currency": "USD", "amount": "1.00"}
    refused = httpx.post(f"{site.base_url}/transfers", json=body, headers=key(), timeout=30)
    assert (refused.status_code, refused.json()["code"]) == (409, "account_frozen")
    operator.get_by_role("link", name="Dashboard").first.click()
    operator.locator("[name=currency]").select_option("USD")
    operator.get_by_role("button", name="Show").click()
    expect(operator.locator(".ledger-bars", has_text="account_frozen")).to_be_visible()
    find(operator, source.name)
    operator.get_by_role("link", name="Unfreeze", exact=True).first.click()
    confirm(operator, f"Unfreeze {source.name}", "settled")
    assert Merchant.objects.get(id=source.id).status == "active"
    assert httpx.post(f"{site.base_url}/transfers", json=body, headers=key(), timeout=30).status_code == 201


def test_a_fee_is_changed_after_a_look_at_what_it_would_charge(fee_manager: Page) -> None:
    source, target = new_merchant(), new_merchant()
    find(fee_manager, source.name)
    fee_manager.get_by_role("link", name="A new fee version").click()
    fee_manager.locator("[name=currency]").select_option("USD")
    fee_manager.locator("[name=percent]").fill("2")
    fee_manager.locator("[name=flat]").fill("0.30")
    fee_manager.locator("[name=amounts]").fill("1,000")
    fee_manager.locator("[name=note]").fill("spring offer")
    fee_manager.get_by_role("button", name="Preview").click()
    expect(fee_manager.locator("body")).to_contain_text("20.30 USD")
    assert not FeeSchedule.objects.filter(merchant_id=source.id).exists()
    fee_manager.get_by_role("button", name="Save as the next version").click()
    expect(fee_manager.locator(".ledger-panel").first).to_contain_text("in force")
    pay(source, target)
    assert available(source) == 10_000 - 1000 - 50


def test_fees_are_waived_in_two_clicks(fee_manager: Page) -> None:
    source, target = new_merchant(), new_merchant()
    find(fee_manager, source.name)
    fee_manager.get_by_role("link", name="Waive fees").first.click()
    confirm(fee_manager, f"Waive fees of {source.name}", "first month")
    expect(fee_manager.locator("#content")).to_contain_text(re.compile("Fees waived"))
    pay(source, target)
    assert available(source) == 9000


def test_a_hold_is_voided(operator: Page) -> None:
    source, target = new_merchant(), new_merchant()
    hold = new_id(place=source.id)
    post(PlaceHold(hold, source, target, USD, 1000, 600, Details()))
    find(operator, str(hold))
    operator.get_by_role("link", name="Void", exact=True).first.click()
    confirm(operator, "Void this hold", "no show")
    expect(operator.locator(".ledger-panel", has_text="What operators did")).to_contain_text("Voided 10.10 USD: no show")
    assert (Hold.objects.get(id=hold).status, available(source)) == ("voided", 10_000)


def test_an_answer_is_looked_up_by_its_key(operator: Page, site: Service) -> None:
    name, token = unique("keyed"), unique("Order")
    httpx.post(
        f"{site.base_url}/merchants", json={"merchant_name": name}, headers={"Idempotency-Key": token}, timeout=30
    ).raise_for_status()
    find(operator, token)
    expect(operator.locator("#content")).to_contain_text(name)
    expect(operator.get_by_role("button", name="Save")).to_have_count(0)


def test_an_id_is_found_from_any_page_by_the_search_box(operator: Page) -> None:
    made = pay(new_merchant(), new_merchant())
    operator.keyboard.press("Control+k")
    operator.locator("#search-input-command").fill(str(made))
    operator.locator("#search-input-command").press("End")
    operator.locator("#command-results").get_by_role("link").first.click()
    expect(operator).to_have_url(re.compile(str(made)))


def test_enter_finds_what_was_typed_into_the_search_box_before_any_row_is_there(operator: Page) -> None:
    made = pay(new_merchant(), new_merchant())
    operator.keyboard.press("Control+k")
    box = operator.locator("#search-input-command")
    expect(box).to_be_focused()
    operator.keyboard.type(str(made))
    operator.keyboard.press("Enter")
    expect(operator).to_have_url(re.compile(f"transfer/{made}/change"))
    operator.wait_for_load_state("load")  # the scripts of the page listen from then on
    operator.keyboard.press("Control+k")
    expect(box).to_be_focused()
    operator.keyboard.type("nothing has this name")
    expect(operator.locator("#command-results")).to_contain_text("Nothing found")
    operator.keyboard.press("Enter")
    expect(operator.locator("#content")).to_contain_text("Nothing has this")


def test_a_row_of_the_search_box_is_chosen_with_the_arrows(operator: Page) -> None:
    word = unique("lavender")
    first, second = (post(TransferFunds(new_merchant(), new_merchant(), USD, 1000, Details(memo=f"{word} {n}"))) for n in (1, 2))
    operator.keyboard.press("Control+k")
    expect(operator.locator("#search-input-command")).to_be_focused()
    operator.keyboard.type(word)
    expect(operator.locator("#command-results").get_by_role("link")).to_have_count(2)
    for key_name in ("ArrowDown", "ArrowDown", "Enter"):
        operator.keyboard.press(key_name)
    expect(operator).to_have_url(re.compile(f"transfer/{first}/change"))  # the newest is the first row
    assert first != second
