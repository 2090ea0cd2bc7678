"""The history of a wallet in the portal: what it shows, finds and leaves out, and its files."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from django.utils import timezone

from ledger_project.database.fields import new_id
from merchants.domain import MerchantIdentity
from people.domain import Role
from portal import history as history_page
from portal.charts import TOP, chart_of
from tests.services.test_admin import post
from tests.services.test_deposit_requests import ask as ask_for_money
from tests.support.factories import unique
from tests.support.portal import USD, new_member, new_merchant, session_of, words_of
from transfers.domain.commands import CaptureHold, Deposit, Details, PlaceHold, ReverseTransfer, TransferFunds, VoidHold, Withdraw
from transfers.domain.outcome import required
from transfers.selectors import find_hold_terms, find_original_now
from transfers.selectors.balances import BalanceRow, Balances
from transfers.services.deposit_requests import decline_deposit
from transfers.statements.days import presets


def pay(source: MerchantIdentity, target: MerchantIdentity, amount: int, memo: str = "", reference: str | None = None) -> UUID:
    return required(post(TransferFunds(source, target, USD, amount, Details(memo=memo or None, external_reference=reference))))


def hold(source: MerchantIdentity, target: MerchantIdentity, amount: int) -> UUID:
    hold_id = new_id(place=source.id)
    post(PlaceHold(hold_id, source, target, USD, amount, 3600, Details(memo="deposit for the hall")))
    return hold_id


def page_of(client: Client, merchant: MerchantIdentity, query: str = "", currency: str = "USD") -> str:
    answer = client.get(f"/app/{merchant.name}/{currency}/history/?{query}")
    assert answer.status_code == 200, answer.content
    return words_of(answer)


@pytest.fixture
def shop() -> MerchantIdentity:
    return new_merchant()


@pytest.fixture
def owner(shop: MerchantIdentity) -> Client:
    return session_of(new_member(shop))


# --- what is shown ----------------------------------------------------------------------------------------------------------


def test_a_fee_is_shown_with_what_it_was_paid_for(shop: MerchantIdentity, owner: Client) -> None:
    other = new_merchant()
    pay(shop, other, 1000, "invoice 12")
    text = page_of(owner, shop)
    assert f"Sent to {other.name}" in text
    assert "invoice 12 · 10.00 and fee 0.10" in text
    assert "−10.10 USD, available after it: 89.90" in text


def test_the_receiver_sees_what_it_got(shop: MerchantIdentity, owner: Client) -> None:
    payer = new_merchant()
    pay(payer, shop, 1000)
    assert f"Received from {payer.name}" in page_of(owner, shop)
    assert "+10.00 USD, available after it: 110.00" in page_of(owner, shop)


EVERY_KIND = ["Added", "Withdrawn", "Reserved for", "No longer reserved for", "Paid to", "Sent back to", "Opening balance"]


def test_every_kind_of_movement_has_words(shop: MerchantIdentity, owner: Client) -> None:
    other = new_merchant()
    post(Deposit(shop, USD, 500, Details()))
    post(Withdraw(shop, USD, 100, Details()))
    post(VoidHold(required(find_hold_terms(hold(shop, other, 700))), Details()))
    post(CaptureHold(required(find_hold_terms(hold(shop, other, 900))), 400, Details()))
    post(ReverseTransfer(required(find_original_now(pay(other, shop, 300))), None, False, None, Details()))
    text = page_of(owner, shop)
    assert [words for words in EVERY_KIND if words not in text] == ["Paid to"]
    for name in history_page.KINDS:
        assert owner.get(f"/app/{shop.name}/USD/history/?kind={name}").status_code == 200


def test_open_holds_stand_above_the_movements_for_both_sides(shop: MerchantIdentity, owner: Client) -> None:
    other = new_merchant()
    hold(shop, other, 2000)
    assert f"For {other.name}" in page_of(owner, shop)
    assert "20.20 USD" in page_of(owner, shop)
    assert f"By {shop.name}, for you" in page_of(session_of(new_member(other)), other)


def test_requests_to_add_money_show_their_state_and_the_reason(shop: MerchantIdentity, owner: Client) -> None:
    waiting, declined = ask_for_money(shop, "5.00"), ask_for_money(shop, "6.00")
    decline_deposit(declined.id, "no such payment", principal="admin:1")
    text = page_of(owner, shop)
    assert waiting.status == "pending"
    assert "Waits for an operator" in text
    assert "5.00 USD pending" in text
    assert "no such payment" in text


# --- finding ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("needle", ["INVOICE 77", "ref-", "counterparty"])
def test_a_search_finds_memo_reference_and_counterparty(shop: MerchantIdentity, owner: Client, needle: str) -> None:
    one, two = new_merchant(), new_merchant()
    reference = unique("ref")
    pay(shop, one, 100, "invoice 77", reference)
    pay(shop, two, 200, "other")
    wanted = {"ref-": reference, "counterparty": one.name.upper()}.get(needle, needle)
    text = page_of(owner, shop, f"q={wanted}")
    assert f"Sent to {one.name}" in text
    assert f"Sent to {two.name}" not in text


def test_filters_by_kind_and_day_combine(shop: MerchantIdentity, owner: Client) -> None:
    other = new_merchant()
    pay(shop, other, 100)
    post(Deposit(shop, USD, 500, Details()))
    today = timezone.now().date()
    assert "Added" in page_of(owner, shop, f"kind=added&from={today}&to={today}")
    assert f"Sent to {other.name}" not in page_of(owner, shop, f"kind=added&from={today}&to={today}")
    assert "Nothing fits" in page_of(owner, shop, f"to={today - timedelta(days=1)}")


@pytest.mark.parametrize("query", ["kind=nonsense", "from=2026-13-45", "before=x", "before=-1", "days=abc", "day=x", "before=9" + "9" * 30])
def test_a_value_that_is_not_valid_is_left_out(shop: MerchantIdentity, owner: Client, query: str) -> None:
    assert owner.get(f"/app/{shop.name}/USD/history/?{query}").status_code == 200


def test_pages_follow_each_other_without_a_gap_and_without_a_repetition(shop: MerchantIdentity, owner: Client) -> None:
    other = new_merchant()
    made = [str(pay(shop, other, 1 + n)) for n in range(75)]
    found, query = [], ""
    while True:
        answer = owner.get(f"/app/{shop.name}/USD/history/?{query}", headers={"HX-Request": "true"} if query else {})
        text = answer.content.decode()
        ids = [part.split("/")[0] for part in text.split(f"/app/{shop.name}/transfers/")[1:]]
        found += ids
        if query:
            assert "<html" not in text
        pay(shop, other, 1)  # new ones come in the meantime
        if 'hx-get="?' not in text:
            break
        query = text.split('hx-get="?')[1].split('"')[0].replace("&amp;", "&")
    assert [one for one in found if one in set(made)] == made[::-1]
    assert len(found) == len(set(found))


def test_a_search_that_looks_at_too_much_says_so_and_goes_on(
    shop: MerchantIdentity, owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = new_merchant()
    wanted = pay(shop, other, 1, "needle")
    for n in range(30):
        pay(shop, other, 1 + n)
    monkeypatch.setattr(history_page, "SEARCHED", 20)
    monkeypatch.setattr(history_page, "_SEARCH_STEP", 10)
    text, query, rounds = "", "q=needle", 0
    while str(wanted) not in text:
        text = owner.get(f"/app/{shop.name}/USD/history/?{query}").content.decode()
        rounds += 1
        if str(wanted) not in text:
            assert "Search further back" in text
            query = text.split('hx-get="?')[1].split('"')[0].replace("&amp;", "&")
    assert rounds > 1


# --- files ------------------------------------------------------------------------------------------------------------------


async def _read(answer: Any) -> str:
    return b"".join([part async for part in answer.streaming_content]).decode()


def test_the_csv_has_the_days_of_the_page_and_no_formula(shop: MerchantIdentity, owner: Client) -> None:
    pay(shop, new_merchant(), 1000, "=HYPERLINK(1)")
    answer = owner.get(f"/app/{shop.name}/USD/history/csv/?q=ignored")
    text = async_to_sync(_read)(answer)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["what"], row["amount"]) for row in rows] == [
        ("closing balance", ""), ("fee", "-0.10"), ("transfer", "-10.00"), ("opening", "100.00"), ("opening balance", ""),
    ]  # fmt: skip
    assert rows[2]["memo"] == "'=HYPERLINK(1)"
    today = timezone.now().date()
    assert answer["Content-Disposition"] == f'attachment; filename="statement-{shop.name}-USD-wallet-{today}-to-{today}.csv"'


@pytest.mark.parametrize(("form", "start", "ending"), [("csv", b"time_utc", "csv"), ("pdf", b"%PDF-", "pdf"), ("camt053", b"<?xml", "xml")])
def test_each_file_names_its_days(shop: MerchantIdentity, owner: Client, form: str, start: bytes, ending: str) -> None:
    today = timezone.now().date()
    assert f"/app/{shop.name}/USD/history/{form}/?" in owner.get(f"/app/{shop.name}/USD/history/").content.decode()
    answer = owner.get(f"/app/{shop.name}/USD/history/{form}/", {"from": "2026-01-01", "to": str(today)})
    content = async_to_sync(_read)(answer).encode() if answer.streaming else answer.content
    assert content.startswith(start)
    assert answer["Content-Disposition"] == f'attachment; filename="statement-{shop.name}-USD-wallet-2026-01-01-to-{today}.{ending}"'


def test_ready_made_days_are_one_click_away_and_the_chosen_ones_are_marked(shop: MerchantIdentity, owner: Client) -> None:
    page = owner.get(f"/app/{shop.name}/USD/history/?q=rent&{presets()[3].query}").content.decode().replace("&amp;", "&")
    for preset in presets():
        is_chosen = ' aria-current="true"' if preset.words == "Last month" else ""
        assert f'href="?q=rent&{preset.query}"{is_chosen}>{preset.words}</a>' in page


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ({"from": "2026-02-30"}, "from", "No day: 2026-02-30."),
        ({"from": "2026-02-02", "to": "2026-02-01"}, "to", "before it begins on 2026-02-02"),
        ({"to": "2999-01-01"}, "to", "2999-01-01 has not come yet"),
        ({"kind": "nonsense"}, "kind", "No kind of movement: nonsense."),
    ],
)
def test_what_is_wrong_is_said_at_its_field(shop: MerchantIdentity, owner: Client, query: dict[str, str], field: str, words: str) -> None:
    page = owner.get(f"/app/{shop.name}/USD/history/", query).content.decode()
    assert words in page.split(f'id="{field}_error"')[1].split("</p>")[0]
    assert "Opening balance" not in page
    assert "Nothing is shown: see what is wrong above." in page


@pytest.mark.parametrize("form", ["csv", "pdf", "camt053"])
def test_a_file_of_wrong_days_leads_to_the_page_that_says_so(shop: MerchantIdentity, owner: Client, form: str) -> None:
    answer = owner.get(f"/app/{shop.name}/USD/history/{form}/", {"from": "2026-02-02", "to": "2026-02-01"}, follow=True)
    assert "before it begins on 2026-02-02" in answer.content.decode().split('id="to_error"')[1]


def test_a_transfer_has_its_page_and_its_receipts(shop: MerchantIdentity, owner: Client) -> None:
    other = new_merchant()
    made = pay(shop, other, 1000, "invoice 12")
    text = words_of(owner.get(f"/app/{shop.name}/transfers/{made}/"))
    for part in ("Fee 0.10 USD", "Paid in all 10.10 USD", "invoice 12", f"{made}-1"):
        assert part in text
    page = owner.get(f"/app/{shop.name}/transfers/{made}/receipt/")
    assert "style-src 'sha256-" in page["Content-Security-Policy"]
    assert owner.get(f"/app/{shop.name}/transfers/{made}/receipt/pdf/").content.startswith(b"%PDF-")
    received = words_of(session_of(new_member(other)).get(f"/app/{other.name}/transfers/{made}/"))
    assert f"{made}-2" in received
    assert "Fee, paid by the sender 0.10 USD" in received


def test_a_hold_has_a_page_and_no_receipt(shop: MerchantIdentity, owner: Client) -> None:
    from transfers.models import Transfer

    made = Transfer.objects.get(hold_id=hold(shop, new_merchant(), 100)).id
    assert "have no receipt" in words_of(owner.get(f"/app/{shop.name}/transfers/{made}/"))
    assert owner.get(f"/app/{shop.name}/transfers/{made}/receipt/").status_code == 404


# --- the chart --------------------------------------------------------------------------------------------------------------


def test_the_chart_has_exact_texts_and_whole_positions(shop: MerchantIdentity, owner: Client) -> None:
    hold(shop, new_merchant(), 1000)
    chart = json.loads(owner.get(f"/app/{shop.name}/USD/history/chart/?days=7").content)
    assert chart["points"][0]["balance"] == "0.00"
    assert chart["points"][-1]["balance"] == "100.00"
    assert all(isinstance(point["position"], int) and 0 <= point["position"] <= TOP for point in chart["points"])
    assert [tick["label"] for tick in chart["ticks"]] == ["0.00", "50.00", "100.00"]


@pytest.mark.parametrize("amounts", [[0], [5], [-3, 7], [10**37, 10**37 + 1], [1, 10**30], [-(10**20)]])
def test_a_scale_holds_every_amount(amounts: list[int]) -> None:
    now = timezone.now()
    chart = chart_of([(now, Balances(now, [BalanceRow(None, USD, amount, 0)])) for amount in amounts], USD)
    assert all(0 <= point.position <= TOP for point in chart.points)
    assert 2 <= len(chart.ticks) <= 7
    assert chart.ticks[-1].position == TOP


# --- whose it is ------------------------------------------------------------------------------------------------------------

PAGES = [
    "USD/history/",
    "USD/history/csv/",
    "USD/history/pdf/",
    "USD/history/camt053/",
    "USD/history/chart/",
    "transfers/{made}/",
    "transfers/{made}/receipt/",
    "transfers/{made}/receipt/pdf/",
]


@pytest.mark.parametrize("page", PAGES)
def test_another_member_s_pages_are_as_if_they_did_not_exist(shop: MerchantIdentity, owner: Client, page: str) -> None:
    stranger = new_merchant()
    made = pay(stranger, new_merchant(), 100)
    assert owner.get(f"/app/{stranger.name}/{page.format(made=made)}").status_code == 404
    assert Client().get(f"/app/{stranger.name}/{page.format(made=made)}").status_code == 302
    if "{made}" in page:
        assert owner.get(f"/app/{shop.name}/{page.format(made=made)}").status_code == 404


@pytest.mark.parametrize("page", PAGES)
def test_a_viewer_reads_everything(shop: MerchantIdentity, page: str) -> None:
    made = pay(shop, new_merchant(), 100)
    viewer = session_of(new_member(shop, Role.VIEWER))
    assert viewer.get(f"/app/{shop.name}/{page.format(made=made)}").status_code == 200


def test_a_wallet_that_is_not_there_has_no_history(shop: MerchantIdentity, owner: Client) -> None:
    assert owner.get(f"/app/{shop.name}/JPY/history/").status_code == 404
