"""The twelve tasks of docs/operators-day.md, each in at most four clicks from the front page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest
from django.urls import reverse
from playwright.sync_api import Browser, Locator, Page, expect

from approvals.models import ApprovalPolicy
from approvals.selectors.policies import forget_policies
from fees.models import FeeSchedule
from merchants.domain import MerchantIdentity
from merchants.models import Account, Merchant
from people.models import User
from tests.browser.conftest import _watched, show_dashboard, user_of
from tests.browser.test_tasks import pay
from tests.environment import ROOT
from tests.services.test_admin import available, new_merchant
from tests.services.test_deposit_requests import ask, deposits_of
from tests.support.factories import key, unique
from tests.support.servers import Service
from tests.support.waiting import until

MOST_CLICKS = 4


@dataclass
class Day:
    """A person at the admin, whose clicks are counted."""

    page: Page
    clicks: int = 0

    def find(self, text: str) -> None:
        """Ctrl+K, the text, Enter."""
        self.page.wait_for_load_state("load")  # the scripts of the page listen from then on
        self.page.keyboard.press("Control+k")
        expect(self.page.locator("#search-input-command")).to_be_focused()
        self.page.keyboard.type(text)
        before = self.page.url
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(lambda url: url != before)

    def click(self, what: Locator) -> None:
        """Click, and count it."""
        self.clicks += 1
        what.click()

    def link(self, name: str) -> None:
        self.click(self.page.get_by_role("link", name=name, exact=True).first)

    def button(self, name: str) -> None:
        self.click(self.page.get_by_role("button", name=name).first)

    def panel(self, words: str) -> Locator:
        return self.page.locator(".ledger-panel", has_text=words).first

    def sees(self, words: str | re.Pattern[str]) -> None:
        expect(self.page.locator("body")).to_contain_text(words)

    def type(self, label: str, text: str) -> None:
        self.page.get_by_label(label).first.fill(text)


@pytest.fixture
def person(chromium: Browser, site: Service) -> Iterator[Callable[..., Day]]:
    """Somebody with these roles, on the front page; at the end each has clicked four times at most."""
    with _watched(chromium, site) as page:
        days: list[Day] = []

        def begin(*roles: str) -> Day:
            user: User = user_of(roles[0])
            for role in roles[1:]:
                user.groups.add(*user_of(role).groups.all())
            show_dashboard(page, site.base_url, user)
            days.append(Day(page))
            return days[-1]

        yield begin
        assert days
        assert max(day.clicks for day in days) <= MOST_CLICKS


def refused(site: Service, source: MerchantIdentity, target: MerchantIdentity) -> httpx.Response:
    body = {"from_merchant": source.name, "to_merchant": target.name, "currency": "USD", "amount": "5000.00"}
    return httpx.post(f"{site.base_url}/transfers", json=body, headers=key(), timeout=60)


def test_1_why_was_she_refused(person: Callable[..., Day], site: Service) -> None:
    source = new_merchant()
    refused(site, source, new_merchant())
    day = person("operator")
    day.find(source.name)
    expect(day.panel("Refused postings")).to_contain_text("insufficient_funds")
    expect(day.panel("Refused postings")).to_contain_text("5,000.00 USD")


def test_2_what_happened_to_this_request(person: Callable[..., Day], site: Service) -> None:
    answered = refused(site, new_merchant(), new_merchant()).json()
    day = person("operator")
    day.find(answered["request_id"])
    day.sees("insufficient_funds")
    day.sees(answered["detail"])


def test_3_where_is_the_money(person: Callable[..., Day]) -> None:
    source, target = new_merchant(1_000_000), new_merchant()
    amount = 112_50 + len(User.objects.values_list("id")) * 7  # an amount that no other test has
    pay(source, target, amount)
    day = person("operator")
    day.find(f"{amount / 100:.2f}")
    if "/transfer/" not in day.page.url:
        day.click(day.page.locator(".ledger-found").get_by_role("link").first)
    day.sees(source.name)
    day.sees(target.name)


def test_4_a_part_goes_back_with_its_fee(person: Callable[..., Day]) -> None:
    source, target = new_merchant(20_000), new_merchant()
    made = pay(source, target, 11_250)
    day = person("operator")
    day.find(str(made))
    day.link("Reverse")
    day.type("Amount", "15.00")
    day.type("Reason", "broken cup")
    expect(day.page.locator("#understood")).to_contain_text("15.00 USD goes back")
    day.button("Reverse this transfer")
    day.sees("15.00 of 112.50 USD reversed, 97.50 USD left")
    assert available(target) == 10_000 + 11_250 - 1_500


def test_5_the_money_of_a_member_has_come(person: Callable[..., Day]) -> None:
    merchant = new_merchant()
    request = ask(merchant)
    day = person("operator")
    day.click(day.page.get_by_role("link", name=re.compile(r"^Requests to add money \d+\+? wait$")))
    day.click(day.page.get_by_role("link", name=str(request.id)).first)
    day.link("Confirm")
    day.type("The bank's reference", unique("bank"))
    day.button("Confirm this money")
    day.sees("112.50 after")
    assert len(deposits_of(request)) == 1


def test_6_stop_its_money_now(person: Callable[..., Day]) -> None:
    merchant = new_merchant()
    day = person("operator")
    day.find(merchant.name)
    day.link("Freeze")
    day.type("Reason", "stolen keys")
    day.button(f"Freeze {merchant.name}")
    day.sees("Frozen with 100.00 USD available")
    assert Merchant.objects.get(id=merchant.id).status == "frozen"


def test_7_the_statement_of_last_month(person: Callable[..., Day]) -> None:
    merchant = new_merchant()
    day = person("operator")
    day.find(merchant.name)
    day.click(day.page.locator(".ledger-panel").first.get_by_role("link", name="USD", exact=True))
    day.link("Last month")
    with day.page.expect_download() as download:
        day.click(day.page.get_by_role("link", name=re.compile("PDF")).first)
    assert re.search(rf"{merchant.name}.*[0-9]{{4}}-[0-9]{{2}}-01.*\.pdf", download.value.suggested_filename)


def test_8_its_transfers_as_a_spreadsheet(person: Callable[..., Day]) -> None:
    merchant = new_merchant()
    pay(merchant, new_merchant(), 1234)
    day = person("operator")
    day.find(merchant.name)
    day.link("All transfers")
    day.page.locator("[name=currency]").first.select_option("USD")
    day.button("Filter")
    day.sees("12.34 USD")
    with day.page.expect_download() as download:
        day.click(day.page.get_by_role("link", name=re.compile("XLSX")).first)
    assert download.value.suggested_filename.endswith(".xlsx")


def test_9_what_would_it_cost_and_put_it_in_force(person: Callable[..., Day]) -> None:
    merchant = new_merchant()
    day = person("fee manager")
    day.link("Fee schedules")
    day.click(day.page.get_by_role("link", name="Append a version").first)
    day.page.locator("[name=merchant_name]").fill(merchant.name)
    day.page.locator("[name=currency]").select_option("USD")
    day.page.locator("[name=percent]").fill("1.25")
    day.page.locator("[name=note]").fill("agreed in spring")
    day.page.locator("[name=amounts]").fill("10 112.50 5,000")
    day.click(day.page.get_by_role("button", name=re.compile("Preview")).first)
    day.sees("62.50 USD")
    day.click(day.page.get_by_role("button", name=re.compile("^Save")).first)
    day.sees("in force")
    assert FeeSchedule.objects.get(merchant_id=merchant.id).rate * 10_000 == 125


def test_10_why_this_fee(person: Callable[..., Day]) -> None:
    made = pay(new_merchant(20_000), new_merchant(), 11_250)
    day = person("operator")
    day.find(str(made))
    expect(day.panel("Why this fee")).to_contain_text("1.12 USD")


def test_11_a_colleague_asked(person: Callable[..., Day], site: Service) -> None:
    merchant = new_merchant()
    account = Account.objects.get(merchant_id=merchant.id, kind="wallet").id
    ApprovalPolicy.objects.create(action="deposit", currency_id="USD", from_minor=500_000)
    forget_policies()
    deposit = f"{site.base_url}/accounts/{account}/deposit"
    try:
        until(lambda: httpx.post(deposit, json={"amount": "5000.00"}, headers=key(), timeout=60).status_code == 202, "no request was made")
    finally:
        ApprovalPolicy.objects.all().delete()
        forget_policies()
    before = available(merchant)
    day = person("operator", "approver")
    day.link(f"Deposit 5000.00 USD for {merchant.name}")
    day.link("Approve")
    day.type("Reason", "seen on the bank's statement")
    day.click(day.page.locator("#ask button[type=submit]").first)
    day.sees("approved")
    assert available(merchant) == before + 500_000


def test_12_who_froze_it_and_why(person: Callable[..., Day]) -> None:
    merchant = new_merchant()
    first = person("operator")
    first.page.goto(reverse("admin:merchants_merchant_freeze", args=[merchant.id]))
    first.type("Reason", "court order 7")
    first.button(f"Freeze {merchant.name}")
    first.sees("Frozen with")
    day = person("operator")
    day.find(merchant.name)
    day.sees("court order 7")


def test_the_tasks_are_written_down() -> None:
    written = (ROOT / "docs" / "operators-day.md").read_text()
    rows = re.findall(r"^\| (\d+)\. .* \| (\d) \|$", written, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 13))
    assert max(int(clicks) for _, clicks in rows) <= MOST_CLICKS
