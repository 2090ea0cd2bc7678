"""The pages of fee schedules: a version typed in per cent and major units, tried on amounts, and compared with others."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape
from uuid import UUID

import pytest
from django.contrib import admin
from django.contrib.messages import get_messages
from django.db import connection
from django.http import HttpResponse, QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fees.admin.comparisons import comparison_url
from fees.admin.drafts import DraftForm, values_of
from fees.admin.tier_rows import FLAT, PERCENT, UP_TO
from fees.domain import MAX_PART_MINOR, Rounding
from fees.models import FeeSchedule
from fees.selectors import drafted_schedule, state_now, state_of, stored_schedule, time_line
from fees.services import append_schedule
from ledger_project.database.clock import database_now
from ledger_project.database.fields import new_id
from merchants.domain import MerchantIdentity
from people.models import User
from tests.services.test_admin import change_page, draft, new_merchant
from tests.services.test_admin_lists import content_of
from tests.support.factories import unique
from tests.unit.test_fees import rates


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser(unique("root")))
    return client


def words(response: HttpResponse) -> str:
    """What is read on a page: its text, and the messages of a page that leads on."""
    told = " ".join(str(message) for message in get_messages(response.wsgi_request))
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())) + " " + told


def with_tiers(merchant: MerchantIdentity, *rows: tuple[str, str, str], **changes: str) -> QueryDict:
    """Return the form as it is sent with tiers."""
    data = QueryDict(mutable=True)
    data.update(draft(merchant, tier_mode="graduated", percent="", flat="") | changes)
    for name, column in zip((UP_TO, PERCENT, FLAT), zip(*rows, strict=True), strict=True):
        data.setlist(name, list(column))
    return data


def sent(root: Client, data: QueryDict, action: str) -> HttpResponse:
    body = f"{data.urlencode()}&{action}"
    return root.post(reverse("admin:fee_append"), body, content_type="application/x-www-form-urlencoded")


# --- what is typed is what is stored -------------------------------------------------------------------------------------------


def test_tiers_are_stored_in_the_order_of_their_bounds(root: Client) -> None:
    merchant = new_merchant()
    data = with_tiers(merchant, ("", "0.5", ""), ("5,000.00", "1", ""), ("100", "2", "0.30"), ("", "", ""))
    assert sent(root, data, "save=").status_code == 302
    stored = FeeSchedule.objects.get(merchant_id=merchant.id)
    assert stored.tiers == [
        {"up_to_minor": 100_00, "rate": "0.02", "flat_minor": 30},
        {"up_to_minor": 5000_00, "rate": "0.01", "flat_minor": 0},
        {"up_to_minor": None, "rate": "0.005", "flat_minor": 0},
    ]
    assert (stored.rate, stored.tier_mode) == (0, "graduated")
    page = words(root.get(change_page(stored)))
    assert "up to 100.00: 2% + 0.30; up to 5,000.00: 1%; beyond 5,000.00: 0.5%" in page


def test_a_wrong_row_is_told_in_the_row(root: Client) -> None:
    merchant = new_merchant()
    answer = sent(root, with_tiers(merchant, ("100", "2", ""), ("200", "1", "")), "save=")
    rows = re.findall(r"<li>.*?</li>", answer.content.decode(), re.DOTALL)
    ledgers = [row for row in rows if "tier_up_to" in row]
    assert ["The last tier has no bound" in row for row in ledgers] == [False, True]
    assert 'value="200"' in ledgers[1]
    assert not FeeSchedule.objects.filter(merchant_id=merchant.id).exists()


@pytest.mark.parametrize(
    ("action", "bounds"),
    [
        ("add_tier=", ["300", "", "100", ""]),
        ("remove_tier=1", ["300", "100"]),
        ("remove_tier=9", ["300", "", "100"]),
        ("sort_tiers=", ["100", "300"]),
    ],
)
def test_rows_are_added_removed_and_sorted_without_javascript(root: Client, action: str, bounds: list[str]) -> None:
    data = with_tiers(new_merchant(), ("300", "2", ""), ("", "", ""), ("100", "1", ""))
    page = sent(root, data, action).content.decode()
    assert re.findall(r'name="tier_up_to" value="([^"]*)"', page) == bounds
    assert 'value="spring"' in page  # what else was typed is kept
    assert "Nothing is stored" not in page


def test_what_the_service_refuses_is_told_at_the_input(root: Client) -> None:
    merchant = new_merchant()
    later = FeeSchedule(merchant_id=merchant.id, currency_id="USD", note="n", effective_from=database_now() + timedelta(days=9))
    append_schedule(later, by=None)
    for action in ("save", "preview"):
        page = root.post(reverse("admin:fee_append"), draft(merchant) | {action: ""}).content.decode()
        assert "this must be later" in re.findall(r'id="id_effective_from_error"[^>]*>([^<]*)', page)[0]
    many = with_tiers(merchant, *((str(place), "1", "") for place in range(1, 51)), ("", "1", ""))
    assert "50 tiers at most" in words(sent(root, many, "save="))


def test_a_moment_is_utc(root: Client) -> None:
    merchant, soon = new_merchant(), (database_now() + timedelta(days=40)).replace(microsecond=0)
    form = draft(merchant, effective_from=f"{soon:%Y-%m-%dT%H:%M}") | {"save": ""}
    assert root.post(reverse("admin:fee_append"), form).status_code == 302
    assert FeeSchedule.objects.get(merchant_id=merchant.id).effective_from == soon.replace(second=0)


def test_a_form_of_an_old_page_is_not_taken_for_per_cent(root: Client) -> None:
    merchant = new_merchant()
    old = {
        "merchant_name": merchant.name,
        "currency": "USD",
        "kind": "",
        "rate": "0.02",
        "flat_minor": "30",
        "tier_mode": "",
        "tiers": "[]",
    }
    answer = root.post(reverse("admin:fee_append"), old | {"rounding": "half_even", "payer": "sender", "note": "spring", "save": ""})
    assert "A rate is expected" in words(answer)
    assert not FeeSchedule.objects.filter(merchant_id=merchant.id).exists()


parts = st.one_of(st.just(0), st.integers(0, 10**6), st.integers(0, MAX_PART_MINOR))


@st.composite
def versions(draw: st.DrawFn) -> FeeSchedule:
    """A version that the service could have stored."""
    currency = draw(st.sampled_from([None, "USD", "JPY", "KWD", "BTC"]))
    version = FeeSchedule(
        id=UUID(int=1),
        version=3,
        currency_id=currency,
        kind=draw(st.sampled_from([None, "transfer", "capture"])),
        rate=draw(rates),
        rounding=draw(st.sampled_from(list(Rounding))).value,
        payer=draw(st.sampled_from(["sender", "receiver"])),
        note="why",
        effective_from=datetime.now(UTC),
    )
    if currency is None:
        return version
    low, high = sorted((draw(parts), draw(parts)))
    version.flat_minor, version.minimum_minor, version.maximum_minor = (
        draw(parts),
        draw(st.sampled_from([None, low])),
        draw(st.sampled_from([None, high])),
    )
    bounds = sorted(draw(st.sets(st.integers(1, MAX_PART_MINOR), max_size=4)))
    if draw(st.booleans()):
        version.tier_mode = draw(st.sampled_from(["volume", "graduated"]))
        version.tiers = [{"up_to_minor": bound, "rate": f"{draw(rates):f}", "flat_minor": draw(parts)} for bound in [*bounds, None]]
    return version


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(version=versions())
def test_the_form_of_a_version_says_that_version_to_the_digit(ledger: None, version: FeeSchedule) -> None:
    del ledger
    values, rows = values_of(version)
    data = QueryDict(mutable=True)
    data.update(values | {"note": "why"})
    for name, column in (
        (UP_TO, [row.up_to for row in rows]),
        (PERCENT, [row.percent for row in rows]),
        (FLAT, [row.flat for row in rows]),
    ):
        data.setlist(name, column)
    form = DraftForm(data)
    assert form.is_valid(), form.errors
    said, stored = drafted_schedule(form.instance), drafted_schedule(version)
    unused = {"rate": Decimal(0)} if stored.tier_mode else {}  # beside tiers it charges nothing
    assert said == replace(stored, id=said.id, version=said.version, effective_from=said.effective_from, **unused)


def test_the_form_of_a_stored_version_is_filled_with_it(root: Client) -> None:
    merchant = new_merchant()
    stored = append_schedule(
        FeeSchedule(
            merchant_id=merchant.id, currency_id="USD", rate=Decimal("0.0125"), minimum_minor=1050, note="n", effective_from=database_now()
        ),
        by=None,
    )
    page = root.get(f"{reverse('admin:fee_append')}?like={stored.id}").content.decode()
    values = dict(re.findall(r'name="(merchant_name|percent|flat|minimum|maximum|note)"(?:[^>]* value="([^"]*)")?', page))
    assert values == {"merchant_name": merchant.name, "percent": "1.25", "flat": "", "minimum": "10.50", "maximum": "", "note": ""}
    assert '<option value="USD" selected>' in page


# --- what it would charge -------------------------------------------------------------------------------------------------------


def test_a_draft_is_tried_on_amounts_of_ones_own_and_beside_what_is_in_force(root: Client) -> None:
    merchant = new_merchant()
    page = words(root.post(reverse("admin:fee_append"), draft(merchant, amounts="10 112.50 5,000") | {"preview": ""}))
    assert "What it would charge: the sender pays" in page
    assert "5,000.00 USD 100.30 USD 2.006% 5,100.30 USD 0.30 flat + 2% of 5,000.00 = 100.30" in page
    assert f"for everyone beside this draft for {merchant.name} in USD" in page
    assert "Rate 1% 2% differs" in page
    assert "112.50 USD 1.12 USD 2.55 USD +1.43 ≈ 0.9956% ≈ 2.2667%" in page
    assert not FeeSchedule.objects.filter(merchant_id=merchant.id).exists()


def test_a_receiver_who_would_pay_more_than_it_gets_is_refused_and_the_preview_says_so(root: Client) -> None:
    page = words(root.post(reverse("admin:fee_append"), draft(new_merchant(), payer="receiver", amounts="0.20 10") | {"preview": ""}))
    assert "0.20 USD 0.30 USD 150% refused: less than the fee" in page
    assert "10.00 USD 0.50 USD 5% 9.50 USD" in page


def test_amounts_that_are_not_understood_stop_no_preview(root: Client) -> None:
    page = words(root.post(reverse("admin:fee_append"), draft(new_merchant(), amounts="10 10,50") | {"preview": ""}))
    assert "10,50 is left out: a comma groups thousands" in page
    assert "10.00 USD 0.50 USD" in page


def test_a_draft_for_every_currency_is_tried_in_several(root: Client) -> None:
    form = draft(new_merchant(), currency="", flat="", amounts="112.50") | {"preview": ""}
    page = words(root.post(reverse("admin:fee_append"), form))
    assert "112.500 KWD 2.250 KWD" in page
    assert "JPY: 112.50 is left out: JPY has 0 decimals" in page


def test_a_draft_without_a_reason_is_previewed_but_not_stored(root: Client) -> None:
    merchant = new_merchant()
    page = words(root.post(reverse("admin:fee_append"), draft(merchant, note="") | {"preview": ""}))
    assert "20.30 USD" in page
    page = words(root.post(reverse("admin:fee_append"), draft(merchant, note="") | {"save": ""}))
    assert "This field is required" in page
    assert not FeeSchedule.objects.filter(merchant_id=merchant.id).exists()


def test_a_draft_is_compared_with_the_version_of_its_own_scope(root: Client) -> None:
    merchant = new_merchant()
    append_schedule(
        FeeSchedule(merchant_id=merchant.id, currency_id="USD", rate=Decimal("0.5"), note="n", effective_from=database_now()), by=None
    )
    page = words(root.post(reverse("admin:fee_append"), draft(merchant) | {"preview": ""}))
    assert f"Version 1 for {merchant.name} in USD beside this draft" in page
    assert "Rate 50% 2% differs" in page


# --- two versions compared ------------------------------------------------------------------------------------------------------


def two_versions() -> tuple[FeeSchedule, FeeSchedule]:
    merchant = new_merchant()
    made = [
        append_schedule(
            FeeSchedule(merchant_id=merchant.id, currency_id="USD", note=f"n{rate}", rate=Decimal(rate), effective_from=database_now()),
            by=None,
        )
        for rate in ("0.02", "0.01")
    ]
    return made[0], made[1]


def test_two_versions_are_compared_by_terms_and_by_amount(root: Client) -> None:
    first, second = two_versions()
    page = words(root.get(comparison_url(second, first) + "&amounts=10+112.50"))
    assert f"Version 1 for {first.merchant} in USD beside version 2" in page
    assert "Rate 2% 1% differs" in page
    assert "Rounding half-even half-even Paid" in page  # what is the same is not marked
    assert "112.50 USD 2.25 USD 1.12 USD -1.13 2% ≈ 0.9956%" in page


def test_versions_of_two_currencies_share_no_amounts(root: Client) -> None:
    first, _ = two_versions()
    euro = append_schedule(FeeSchedule(merchant_id=new_merchant().id, currency_id="EUR", note="n", effective_from=database_now()), by=None)
    page = words(root.get(comparison_url(first, euro)))
    assert "different currencies" in page
    assert "A: version 1 for" in page


def test_two_versions_are_chosen_in_the_list(root: Client) -> None:
    first, second = two_versions()
    page = reverse("admin:fees_feeschedule_changelist")
    chosen = root.post(page, {"action": "compare_two", "_selected_action": [str(second.id), str(first.id)]})
    assert chosen["Location"] == comparison_url(first, second)
    for ids in (
        [str(first.id)],
        [str(first.id), str(second.id), str(FeeSchedule.objects.filter(merchant=None).values_list("id", flat=True)[0])],
    ):
        answer = root.post(page, {"action": "compare_two", "_selected_action": ids}, follow=True)
        assert "Choose two versions" in words(answer)


def test_a_version_leads_to_its_comparisons(root: Client) -> None:
    first, second = two_versions()
    page = unescape(root.get(change_page(second)).content.decode())
    assert "Compare with the version before" in page
    assert comparison_url(first, second) in page
    assert "Compare with what is in force" not in page  # this one is
    assert "Compare with what is in force" in root.get(change_page(first)).content.decode()
    assert "7.00 USD 0.07 USD 1%" in words(root.get(change_page(second) + "?amounts=7"))


def test_a_comparison_of_what_is_not_there_says_what_is_expected(root: Client) -> None:
    first, _ = two_versions()
    for query in ("", "?one=x&other=y", f"?one={first.id}", f"?one={first.id}&other={new_id()}"):
        answer = root.get(reverse("admin:fee_compare") + query)
        assert answer.status_code == 200
        assert "Two versions are expected" in words(answer)
    nobody = Client()
    nobody.force_login(User.objects.create_user(unique("nobody"), is_staff=True))
    assert nobody.get(comparison_url(*two_versions())).status_code == 403


def test_html_in_what_is_typed_is_shown_as_text(root: Client) -> None:
    evil = "<b>x</b>"
    data = with_tiers(new_merchant(), (evil, evil, evil), merchant_name=evil, amounts=evil)
    assert evil not in sent(root, data, "preview=").content.decode()
    assert evil not in root.get(comparison_url(*two_versions()) + f"&amounts={evil}").content.decode()


def test_the_page_of_a_version_asks_few_questions(root: Client) -> None:
    first, second = two_versions()
    for version in (first, second):
        root.get(change_page(version))
    with CaptureQueriesContext(
        connection,
    ) as asked:
        root.get(change_page(second))
    assert len(asked) < 40


# --- the list --------------------------------------------------------------------------------------------------------------------


def listed(root: Client, **query: str) -> str:
    return words(root.get(reverse("admin:fees_feeschedule_changelist"), query))


def test_versions_are_listed_by_merchant_state_and_scope(root: Client) -> None:
    first, second = two_versions()
    name = str(first.merchant)
    future = FeeSchedule(
        merchant_id=first.merchant_id,
        currency_id="USD",
        note="later",
        rate=Decimal("0.5"),
        effective_from=database_now() + timedelta(days=3),
    )
    append_schedule(future, by=None)
    notes = {"superseded": first.note, "in force": second.note, "future": "later"}
    for state, note in notes.items():
        page = listed(root, merchant=name, state=state)
        assert [other for other in notes.values() if f" {other} " in page] == [note], (state, page)
    assert "2%, " not in listed(root, merchant=name, currency="EUR")
    assert "2%, " in listed(root, merchant=name.upper(), currency="usd", whose="own", kind="all", payer="sender")
    assert "2%, " not in listed(root, merchant=name, whose="everyone")
    assert "The default for everyone" in listed(root, whose="everyone", state="in force")
    assert "There is no merchant" in listed(root, merchant="no-such-name")
    assert "is none of" in listed(root, state="x")


def test_the_list_is_taken_away_as_a_file(root: Client) -> None:
    first, _ = two_versions()
    answer = root.get(reverse("admin:fees_feeschedule_export_csv"), {"merchant": str(first.merchant), "state": "superseded"})
    text = content_of(answer).decode()
    assert text.count(str(first.merchant)) == 1
    assert "superseded" in text
    assert "2%" in text


def test_the_state_in_the_list_is_that_of_the_time_line(root: Client) -> None:
    first, second = two_versions()
    for version in (first, second, FeeSchedule.objects.get(merchant=None, currency=None, version=1)):
        assert state_now(version) == state_of(version, time_line(version), database_now())


def test_a_version_that_cannot_be_read_is_named_and_breaks_no_page(root: Client) -> None:
    first, _ = two_versions()
    first.tiers, first.tier_mode = [{"up_to_minor": None, "rate": "x", "flat_minor": 0}], "volume"
    assert stored_schedule(first) is None
    shown = admin.site.get_model_admin(FeeSchedule)
    assert shown.terms_in_words(first) == "amounts or tiers that are no numbers"
    assert shown.tier_terms(first) == "none"
    (panel,) = shown.panels(root.get("/admin/").wsgi_request, first)
    assert "no numbers" in panel.warning
