"""The page of a transfer says why it had this fee, and warns if another one was posted."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from html import unescape
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client

from fees.domain import choose_schedule
from fees.models import FeeSchedule
from fees.selectors import get_schedule, in_force_at
from fees.services import append_schedule
from ledger_project.database.clock import database_now
from ledger_project.database.fields import new_id
from merchants.domain import MerchantIdentity
from people.models import User
from tests.services.test_admin import USD, as_shown, change_page, hidden, new_merchant, post
from tests.support.factories import unique
from transfers.admin.fees import fee_panels, hold_fee_panel
from transfers.domain.commands import CaptureHold, Details, PlaceHold, TransferFunds
from transfers.domain.outcome import required
from transfers.models import Hold, Transfer
from transfers.selectors.holds import find_hold_terms


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser(unique("root")))
    return client


def paid(source: MerchantIdentity, target: MerchantIdentity, amount_minor: int) -> Transfer:
    return Transfer.objects.get(id=post(TransferFunds(source, target, USD, amount_minor, Details())))


def reasons(transfer: Transfer) -> dict[str, str]:
    (panel,) = fee_panels(transfer)
    assert panel.warning == ""
    return {row[0].text: row[1].text for row in panel.rows}


def agreed(merchant: MerchantIdentity | None, **terms: object) -> FeeSchedule:
    draft = FeeSchedule(merchant_id=merchant and merchant.id, note="agreed", effective_from=database_now(), **terms)
    return append_schedule(draft, by=None)


def test_a_fee_by_the_schedule_of_everyone(root: Client) -> None:
    source, target = new_merchant(100_000), new_merchant(0)
    transfer = paid(source, target, 112_50)
    why = reasons(transfer)
    assert why["Fee"] == f"1.12 USD, paid by the sender, {source.name}"
    assert why["Computed"] == "1% of 112.50 = 1.125, half-even → 1.12"
    assert re.fullmatch(r"Schedule for everyone, version \d+, in force since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", why["By"])
    assert why["Why this schedule"] == (
        f"No schedule for {source.name} in USD, for {source.name} in every currency or for everyone in USD was in force: "
        "the one for everyone applied."
    )
    assert "Remark" not in why
    page = unescape(root.get(change_page(transfer)).content.decode())
    assert "Why this fee" in page
    assert "1% of 112.50 = 1.125, half-even → 1.12" in page
    assert change_page(FeeSchedule.objects.get(id=transfer.fee_schedule_id)) in page


def test_the_schedule_of_a_merchant_and_currency_comes_first_and_the_receiver_pays() -> None:
    source, target = new_merchant(100_000), new_merchant(0)
    agreed(source, rate=Decimal("0.5"))
    terms = {"up_to_minor": 100_00, "rate": "0.02", "flat_minor": 5}, {"up_to_minor": None, "rate": "0.01", "flat_minor": 0}
    agreed(source, currency_id="USD", tier_mode="graduated", tiers=list(terms), payer="receiver", maximum_minor=2_00)
    why = reasons(paid(source, target, 150_00))
    assert why["Fee"] == f"2.00 USD, paid by the receiver, {target.name}"
    assert why["Computed"] == ("each slice by its tier: 2% of 100.00 + 0.05 flat + 1% of 50.00 = 2.55, above the maximum → 2.00")
    assert why["Why this schedule"] == (
        f"The one for {source.name} in USD applied, since it comes before one for {source.name} in every currency, for everyone in USD or for everyone."
    )


def test_a_later_version_changes_no_reason_of_an_older_transfer() -> None:
    source, target = new_merchant(100_000), new_merchant(0)
    first = agreed(source, rate=Decimal("0.02"))
    transfer = paid(source, target, 10_00)
    agreed(source, rate=Decimal("0.03"))
    why = reasons(transfer)
    assert why["Computed"] == "2% of 10.00 = 0.20"
    assert "version 1," in why["By"]
    assert transfer.fee_schedule_id == first.id


def test_waived_fees_say_so() -> None:
    source, target = new_merchant(100_000), new_merchant(0)
    agreed(source, currency_id="USD", rate=Decimal(0))
    why = reasons(paid(source, target, 10_00))
    assert why["Fee"].startswith("0.00 USD")
    assert why["Computed"] == "0% of 10.00 = 0.00"
    assert why["Its terms"] == "nothing: fees are waived"


def test_a_capture_costs_what_was_in_force_when_its_hold_was_placed() -> None:
    source, target = new_merchant(100_000), new_merchant(0)
    agreed(source, rate=Decimal("0.02"), kind="capture")
    hold = new_id(place=source.id)
    post(PlaceHold(hold, source, target, USD, 50_00, 3600, Details()))
    agreed(source, rate=Decimal("0.9"), kind="capture")
    post(CaptureHold(required(find_hold_terms(hold)), 40_00, Details()))
    transfer = Transfer.objects.get(id=Hold.objects.get(id=hold).capture_id)
    why = reasons(transfer)
    assert why["Computed"] == "2% of 40.00 = 0.80"
    assert "captures only, version 1" in why["By"]
    assert "when the hold was placed" in why["As of"]
    assert why["Why this schedule"].endswith("One for captures alone comes before one for all kinds.")
    assert "Remark" not in why


def test_a_hold_says_what_it_reserves_for_the_fee(root: Client) -> None:
    source, target = new_merchant(100_000), new_merchant(0)
    agreed(source, rate=Decimal("0.02"), kind="capture")
    holds = []
    for _ in range(2):
        holds.append(new_id(place=source.id))
        post(PlaceHold(holds[-1], source, target, USD, 50_00, 3600, Details()))
        agreed(source, rate=Decimal("0.03"), kind="capture", payer="receiver")
    first, second = (Hold.objects.get(id=hold) for hold in holds)
    facts = {row[0].text: row[1].text for row in hold_fee_panel(first).rows}
    assert facts["Reserved for the fee"] == f"1.00 USD, paid by the sender, {source.name}, if all is captured"
    assert facts["Computed"].startswith("2% of 50.00 = 1.00. ")
    assert "version 1," in facts["By"]
    facts = {row[0].text: row[1].text for row in hold_fee_panel(second).rows}
    assert facts["Reserved for the fee"].startswith(f"nothing: the receiver, {target.name}, pays")
    assert hold_fee_panel(first).warning == hold_fee_panel(second).warning == ""
    assert "2% of 50.00 = 1.00" in root.get(change_page(first)).content.decode()
    first.reserved_minor += 1
    assert hold_fee_panel(first).warning.startswith("1.01 USD is reserved for the fee, but this version says 1.00 USD.")


def test_the_parts_of_a_refund_are_explained_and_add_up(root: Client) -> None:
    source, target = new_merchant(100_000), new_merchant(0)
    transfer = paid(source, target, 112_50)
    page = change_page(transfer, "reverse")
    for amount, token in (("27.00", "a"), ("", "b")):
        form = as_shown(root, page, token=unique(token), reason="agreed", amount=amount, refund_fee="on")
        answer = root.post(page, form)
        if answer.status_code == 200:  # it was reversed a moment ago, so the page asks once more
            answer = root.post(page, form | {"again": hidden(answer.content.decode(), "again")})
        assert answer.status_code == 302
    first, second = transfer.reversals.order_by("id")
    assert reasons(first) == {
        "Fee given back": f"0.26 USD, to {source.name}",
        "Its part of the fee": "1.12 × 27.00 / 112.50, rounded down → 0.26",
    }
    assert reasons(second)["Its part of the fee"] == ("it completes the reversal, so the rest: 1.12 − 0.26 for the earlier parts = 0.86")
    assert reasons(transfer)["Given back"] == "1.12 of 1.12 USD, by reversals"


def test_a_reversal_without_the_fee_says_that_nothing_went_back(root: Client) -> None:
    source, target = new_merchant(100_000), new_merchant(0)
    transfer = paid(source, target, 100_00)
    page = change_page(transfer, "reverse")
    assert root.post(page, as_shown(root, page, token=unique("t"), reason="agreed", amount="")).status_code == 302
    why = reasons(transfer.reversals.get())
    assert why == {
        "Fee given back": "nothing: it was reversed without the fee",
        "Its part of the fee": "all of 1.00: the whole amount goes back",
    }
    assert "Given back" not in reasons(transfer)


def test_a_fee_that_is_not_that_of_the_version_is_told_in_red(root: Client) -> None:
    source, target = new_merchant(100_000), new_merchant(0)
    own = agreed(source, rate=Decimal("0.02"))
    transfer = paid(source, target, 10_00)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE fees_feeschedule DISABLE TRIGGER USER")
        cursor.execute("UPDATE fees_feeschedule SET rate = 0.03 WHERE id = %s", [own.id])
        cursor.execute("ALTER TABLE fees_feeschedule ENABLE TRIGGER USER")
    try:
        (panel,) = fee_panels(transfer)
        assert panel.warning == "The fee that was posted is 0.20 USD, but this version says 0.30 USD. Start a reconciliation."
        assert 'role="alert">The fee that was posted is 0.20 USD' in root.get(change_page(transfer)).content.decode()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE fees_feeschedule DISABLE TRIGGER USER")
            cursor.execute("UPDATE fees_feeschedule SET rate = 0.02 WHERE id = %s", [own.id])
            cursor.execute("ALTER TABLE fees_feeschedule ENABLE TRIGGER USER")


def test_a_transfer_whose_schedule_is_gone_says_so() -> None:
    transfer = paid(new_merchant(100_000), new_merchant(0), 10_00)
    transfer.fee_schedule_id = UUID(int=7)
    (panel,) = fee_panels(transfer)
    assert panel.warning == f"Its fee schedule {UUID(int=7)} cannot be read."
    transfer.fee_schedule_id = None
    (panel,) = fee_panels(transfer)
    assert "names no fee schedule" in panel.warning


def test_what_was_in_force_at_a_moment_is_chosen_as_it_was_then() -> None:
    source = new_merchant()
    first = agreed(source, rate=Decimal("0.02"))
    second = agreed(source, rate=Decimal("0.03"))
    found = {}
    for name, at in (("before", first.effective_from - timedelta(days=1)), ("now", database_now())):
        rows = in_force_at(at, merchant_id=source.id, currency="USD")
        found[name] = choose_schedule(rows, merchant_id=source.id, currency="USD", kind="transfer", at=at)
    assert found["now"] == get_schedule(second.id)
    assert found["before"] is not None
    assert found["before"].merchant_id is None
