"""A reconciliation is started, watched and cancelled; its page keeps itself up to date and leaves the focus where it is."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from ledger_project.database.fields import new_id
from merchants.models import Merchant
from tests.browser.accessibility import findings
from tests.services.test_admin import change_page, new_merchant
from tests.services.test_admin_reconciliations import verdict
from transfers.models import RequestedReconciliation
from transfers.services.requested_reconciliations import Reached, Taken, finish, keep, take


@pytest.fixture(autouse=True)
def none_open(ledger: None) -> Iterator[None]:
    del ledger
    yield
    RequestedReconciliation.objects.filter(status__in=("waiting", "running")).update(status="cancelled")


def started(page: Page) -> Taken:
    """Start one as a person does, and take it as a worker does."""
    page.get_by_role("link", name="Reconciliation", exact=True).first.click()
    page.get_by_role("link", name="Start a reconciliation").first.click()
    page.get_by_label("Reason").fill("before the audit")
    page.get_by_role("button", name="Start a reconciliation").click()
    expect(page.locator("#progress")).to_contain_text("waiting")
    holder = take(new_id())
    assert holder is not None
    return holder


def test_the_page_follows_the_proof_and_does_not_move_the_focus(operator: Page) -> None:
    holder = started(operator)
    cancel = operator.get_by_role("link", name=re.compile("Cancel")).first
    cancel.focus()
    keep(holder, Reached("sequences have no gaps", 5, 20, 0))
    expect(operator.locator("#progress")).to_contain_text("5 of 20")
    expect(operator.locator("#progress-told")).to_have_text("It runs: sequences have no gaps.")
    keep(holder, Reached("hashes are right", 19, 20, 0))
    expect(operator.locator("#progress")).to_contain_text("19 of 20")
    expect(cancel).to_be_focused()
    assert findings(operator) == []
    finish(holder, verdict())
    expect(operator.locator("#progress")).to_contain_text("done")
    expect(cancel).to_be_focused()
    operator.locator("#progress").get_by_role("link", name=re.compile("The verdict: clean")).click()
    expect(operator.locator("#content")).to_contain_text("Everything holds.")


def test_it_is_cancelled_from_its_page(operator: Page) -> None:
    holder = started(operator)
    operator.get_by_role("link", name=re.compile("Cancel")).first.click()
    operator.get_by_label("Reason").fill("too busy now")
    operator.get_by_role("button", name="Cancel this reconciliation").click()
    expect(operator.locator("#progress")).to_contain_text("cancelled")
    expect(operator.locator("#content")).to_contain_text("too busy now")
    assert not keep(holder, Reached("", 1, 2, 0))


def test_its_pages_break_no_rule_in_light_and_dark(root: Page) -> None:
    holder = started(root)
    keep(holder, Reached("sequences have no gaps", 5, 20, 0))
    requested = RequestedReconciliation.objects.get(id=holder.id)
    damaged = verdict(verdict="damaged", findings=[{"check": "entries", "subject": "entry 1", "detail": "its hash is wrong"}])
    merchant = Merchant.objects.get(id=new_merchant().id)
    addresses = [
        change_page(requested),
        change_page(requested, "cancel"),
        change_page(damaged),
        "/admin/transfers/reconciliationrun/",
        "/admin/transfers/reconciliationrun/start/",
        "/admin/transfers/requestedreconciliation/",
        change_page(merchant),
        change_page(merchant, "close"),
    ]
    for address in addresses:
        root.goto(address)
        assert findings(root) == [], address


def test_what_stops_money_and_what_is_for_good_do_not_look_alike(operator: Page) -> None:
    merchant = Merchant.objects.get(id=new_merchant(opening=0).id)
    operator.goto(change_page(merchant))
    freeze = operator.get_by_role("link", name=re.compile("Freeze"))
    close = operator.get_by_role("link", name=re.compile("Close for good"))
    colours = [link.evaluate("e => getComputedStyle(e).color + getComputedStyle(e).backgroundColor") for link in (freeze, close)]
    assert colours[0] != colours[1]
    top, bottom = freeze.bounding_box(), close.bounding_box()
    assert top is not None
    assert bottom is not None
    assert bottom["y"] - top["y"] > 400, "far apart"
    expect(close.locator("xpath=ancestor::section")).to_contain_text("nobody can open it again")
