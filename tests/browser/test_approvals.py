"""A second person in the browser: a policy is set, a call is asked for by API, and another person approves it in the admin."""

from __future__ import annotations

import re

import httpx
from playwright.sync_api import Browser, Page, expect

from approvals.models import Approval, ApprovalPolicy
from approvals.services.policies import end_policy
from approvals.services.requests import ask
from merchants.services import state_change
from tests.browser.accessibility import findings
from tests.browser.conftest import show_dashboard, user_of
from tests.browser.test_access import _UNDRAWN
from tests.browser.test_movements import shoot
from tests.services.test_admin import USD, available, change_page, new_merchant
from tests.support.factories import key
from tests.support.servers import Service
from transfers.domain.commands import Deposit, Details, TransferFunds


def looks_right(page: Page, name: str) -> None:
    """Keep a picture, and ask axe-core and the font about the page."""
    shoot(page, name)
    assert findings(page) + page.evaluate(_UNDRAWN) == [], name


def test_what_a_policy_covers_is_asked_for_by_api_and_approved_in_the_admin(root: Page, chromium: Browser, site: Service) -> None:
    merchant = new_merchant()
    wallet = httpx.get(f"{site.base_url}/merchants/{merchant.name}/balance", params={"currency": "USD"}).json()["balances"][0]["account_id"]
    root.goto("/admin/")
    root.get_by_role("link", name="Approval policies").click()
    looks_right(root, "policies-none")
    root.get_by_role("link", name=re.compile("Add")).first.click()
    amount = root.get_by_label("From this amount on")
    root.locator("#id_action").select_option("close")
    expect(amount).to_be_hidden()
    root.locator("#id_action").select_option("deposit")
    expect(amount).to_be_visible()
    root.locator("#id_currency").select_option("USD")
    amount.fill("77,000.5")
    root.get_by_label("Reason").fill("two people for large deposits")
    looks_right(root, "policy")
    root.get_by_role("button", name="Save", exact=True).click()
    expect(root.locator("#result_list")).to_contain_text("77,000.50 USD")
    looks_right(root, "policies")
    policy = ApprovalPolicy.objects.get(action="deposit", currency_id="USD")
    try:
        sent = httpx.post(f"{site.base_url}/accounts/{wallet}/deposit", json={"amount": "77000.50", "memo": "bank slip 7"}, headers=key())
        assert (sent.status_code, available(merchant)) == (202, 10_000), sent.text
        approve_on_the_page(chromium, site, f"Deposit 77000.50 USD for {merchant.name}")
        assert available(merchant) == 7_710_050
    finally:
        end_policy(policy, principal="test")


def approve_on_the_page(chromium: Browser, site: Service, summary: str) -> None:
    """Approve as a person would: from the front page, in four clicks."""
    context = chromium.new_context(base_url=site.base_url, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(60_000)
    page = context.new_page()
    user = user_of("operator")
    user.groups.add(user_of("approver").groups.get())
    show_dashboard(page, site.base_url, user)
    looks_right(page, "front-page")
    page.get_by_role("link", name=re.compile(r"^Approvals \d+\+? wait$")).click()
    looks_right(page, "approvals")
    page.get_by_role("link", name=summary).click()
    expect(page.locator("#content")).to_contain_text("100.00 USD now, 77,100.50 after")
    looks_right(page, "approval")
    page.get_by_role("link", name="Approve", exact=True).click()
    expect(page.locator("#understood")).to_contain_text("It would be carried out.")
    page.get_by_label("Reason").fill("checked with the bank")
    looks_right(page, "approve")
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.locator("body")).to_contain_text(f"Approved: {summary}, by transfer")
    expect(page.locator("body")).to_contain_text("100.00 USD before, 77,100.50 after")
    looks_right(page, "approved")
    page.get_by_role("link", name=str(Approval.objects.get(summary=summary).transfer_id), exact=True).last.click()
    expect(page.locator("#approved-by-a-second-person")).to_contain_text(user.username)
    context.close()


def test_who_asked_sees_no_buttons_and_a_refusal_is_said_before(chromium: Browser, site: Service) -> None:
    context = chromium.new_context(base_url=site.base_url, viewport={"width": 1280, "height": 900})
    page, user = context.new_page(), user_of("approver")
    show_dashboard(page, site.base_url, user)
    with state_change():
        own = ask(Deposit(new_merchant(), USD, 1_000, Details()), principal=f"admin:{user.pk}", request_id="r")
        poor = ask(TransferFunds(new_merchant(), new_merchant(), USD, 20_000, Details()), principal="key:none", request_id="r")
    page.goto(change_page(own))
    expect(page.locator("#content")).to_contain_text("You asked for this: another person decides.")
    expect(page.get_by_role("link", name="Approve", exact=True)).to_have_count(0)
    looks_right(page, "approval-own")
    page.goto(change_page(poor))
    expect(page.get_by_role("alert")).to_contain_text("The ledger would refuse it")
    looks_right(page, "approval-refused")
    page.get_by_role("link", name="Reject", exact=True).click()
    page.get_by_label("Reason").fill("there is no money")
    looks_right(page, "reject")
    page.get_by_role("button", name="Reject", exact=True).click()
    expect(page.locator("body")).to_contain_text("Rejected: Transfer 200.00 USD")
    assert Approval.objects.get(id=poor.id).status == "rejected"
    context.close()
