"""What an operator reads on the admin's pages: names as they are, money in major units, one way to write a moment, and words where nothing is."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

from django.test import Client
from django.urls import reverse

from fees.models import FeeSchedule
from fees.services import append_schedule
from merchants.domain import Status
from merchants.models import Account, Merchant
from merchants.services import set_merchant_status
from tests.services.test_admin import change_page, new_merchant, root
from tests.support.factories import unique

__all__ = ["root"]


def text_of(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def test_an_account_is_called_by_its_merchant_which_keeps_its_spelling(root: Client) -> None:
    merchant = new_merchant()
    account = Account.objects.get(merchant_id=merchant.id, kind="wallet")
    page = text_of(root, change_page(account))
    assert f"{merchant.name} USD wallet" in page
    assert f"{account.created_at:%Y-%m-%d %H:%M:%S}" in page
    assert f"Merchants chevron_right {merchant.name}" in text_of(root, change_page(Merchant.objects.get(id=merchant.id)))


def test_an_account_without_its_merchant_read_has_a_name_without_a_query() -> None:
    account = Account.objects.get(merchant_id=new_merchant().id, kind="wallet")
    assert str(account) == f"{account.merchant_id} USD wallet"


def test_no_button_below_a_merchant_can_be_taken_for_closing_it(root: Client) -> None:
    page = text_of(root, change_page(Merchant.objects.get(id=new_merchant().id)))
    assert page.count("Close") == page.count("Close for good") > 0


def test_the_accounts_of_a_frozen_merchant_say_so(root: Client) -> None:
    merchant = new_merchant()
    set_merchant_status(merchant.id, Status.FROZEN)
    assert "active, merchant frozen" in text_of(root, change_page(Account.objects.get(merchant_id=merchant.id, kind="wallet")))


def test_a_fee_version_is_read_in_major_units_and_words(root: Client) -> None:
    merchant = new_merchant()
    tiers = [{"up_to_minor": 10_000, "rate": "0.02", "flat_minor": 25}, {"up_to_minor": None, "rate": "0.015"}]
    draft = FeeSchedule(
        merchant_id=merchant.id, currency_id="USD", minimum_minor=10, tier_mode="volume", tiers=tiers, effective_from=datetime.now(UTC),
        note="agreed",
    )  # fmt: skip
    page = text_of(root, change_page(append_schedule(draft, by=None)))
    assert "volume: up to 100.00: 2% + 0.25; beyond 100.00: 1.5%" in page
    assert "Minimum 0.10 USD" in page
    assert "Maximum none" in page
    flat = FeeSchedule(merchant_id=merchant.id, rate=Decimal("0.004"), effective_from=datetime.now(UTC), note="agreed")
    page = text_of(root, change_page(append_schedule(flat, by=None)))
    assert "every currency" in page
    assert "Rate 0.4%" in page


def test_an_empty_list_says_why_and_advises_nothing_impossible(root: Client) -> None:
    page = text_of(root, reverse("admin:transfers_idempotencyrecord_changelist") + f"?q={unique('nowhere')}")
    assert "Nothing matches this search and these filters." in page
    assert "Create a new item" not in page
