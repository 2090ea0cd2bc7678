"""Lists of the admin: filtered, exported as they are shown, and never showing everything for a filter that is not understood."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape
from io import BytesIO, StringIO
from uuid import UUID
from xml.etree import ElementTree
from zipfile import ZipFile

import pytest
from asgiref.sync import async_to_sync
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.http import StreamingHttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from console import list_exports
from ledger_project.database.fields import new_id
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import TREASURY, MerchantIdentity
from merchants.models import Account, Merchant
from merchants.selectors import identify_now
from people.models import User
from tests.services.test_admin import USD, new_merchant, new_transfer, post
from tests.services.test_admin_refusals import refused
from tests.support.factories import unique
from transfers.admin.transfers import TransferAdmin
from transfers.domain.commands import CaptureHold, Deposit, Details, PlaceHold, ReverseTransfer, TransferFunds, VoidHold, Withdraw
from transfers.models import DepositRequest
from transfers.selectors import find_hold_terms, find_original_now, list_rows

TRANSFERS, HOLDS, REFUSALS, REQUESTS = "transfers_transfer", "transfers_hold", "transfers_refusal", "transfers_depositrequest"
MERCHANTS, ACCOUNTS = "merchants_merchant", "merchants_account"
EUR = CurrencyUnit("EUR", 2)


@pytest.fixture
def root() -> Iterator[Client]:
    client = Client()
    client.force_login(User.objects.create_superuser(unique("root")))
    return client


async def _content(answer: StreamingHttpResponse) -> bytes:
    return b"".join([part async for part in answer.streaming_content])


def content_of(answer: StreamingHttpResponse) -> bytes:
    return async_to_sync(_content)(answer)


def page_of(client: Client, name: str, **query: object) -> str:
    answer = client.get(reverse(f"admin:{name}_changelist"), query)
    assert answer.status_code == 200, answer.headers
    return unescape(answer.content.decode())


def rows_of(client: Client, name: str, **query: object) -> list[dict[str, str]]:
    """Return what the list shows on all of its pages, as its file has it."""
    answer = client.get(reverse(f"admin:{name}_export_csv"), query)
    assert answer.status_code == 200, answer.headers
    return list(csv.DictReader(StringIO(content_of(answer).decode())))


def ids_of(client: Client, name: str, **query: object) -> set[str]:
    """Return the ids on a page of a list, which must be those of its file."""
    page = page_of(client, name, **query)
    shown = set(re.findall(rf'href="/admin/{name.replace("_", "/")}/([0-9a-f-]{{36}})/change/', page))
    assert shown == {row["id"] for row in rows_of(client, name, **query)}
    return shown


def reverse_part(made: UUID, amount: int) -> UUID:
    original = find_original_now(made)
    assert original is not None
    reversal = post(ReverseTransfer(original, amount, True, identify_now(names=[TREASURY]).merchant(TREASURY), Details()))
    assert reversal is not None
    return reversal


def hold_of(source: MerchantIdentity, target: MerchantIdentity, amount: int = 100) -> UUID:
    hold = new_id(place=source.id)
    post(PlaceHold(hold, source, target, USD, amount, 600, Details()))
    return hold


# --- transfers ----------------------------------------------------------------------------------------------------------------


def test_transfers_of_a_merchant_are_those_on_either_side(root: Client) -> None:
    source, target, made = new_transfer(1000)
    back = post(TransferFunds(target, source, USD, 100, Details()))
    out = post(Withdraw(source, USD, 50, Details()))
    new_transfer()
    wanted = {str(made), str(back), str(out)}
    for merchant in (source.name.upper(), str(source.id)):
        assert wanted < ids_of(root, TRANSFERS, merchant=merchant)
    openings = {row["id"] for row in rows_of(root, TRANSFERS, merchant=source.name) if row["kind"] == "opening"}
    assert ids_of(root, TRANSFERS, merchant=source.name) == wanted | openings
    assert ids_of(root, TRANSFERS, merchant=source.name, kind="transfer") == {str(made), str(back)}
    assert ids_of(root, TRANSFERS, merchant=source.name, currency="EUR") == set()


def test_transfers_by_amount_need_a_currency_and_have_both_ends(root: Client) -> None:
    source, _, made = new_transfer(1250)
    amounts = {"merchant": source.name, "currency": "USD", "kind": "transfer"}
    assert ids_of(root, TRANSFERS, **amounts, amount_from="12.50", amount_to="12.5") == {str(made)}
    assert ids_of(root, TRANSFERS, **amounts, amount_from="12.51") == set()
    assert ids_of(root, TRANSFERS, **amounts, amount_to="12.49") == set()
    assert str(made) in ids_of(root, TRANSFERS, currency="USD", amount_from="12.50", amount_to="12.50")
    assert "An amount needs a currency" in page_of(root, TRANSFERS, amount_from="12.50")


def test_transfers_by_what_was_reversed(root: Client) -> None:
    source, _, partly = new_transfer(1000)
    whole, none = (post(TransferFunds(source, new_merchant(), USD, 100, Details())) for _ in range(2))
    assert whole is not None
    reverse_part(partly, 400)
    reverse_part(whole, 60)
    reverse_part(whole, 40)
    assert ids_of(root, TRANSFERS, merchant=source.name, state="partly") == {str(partly)}
    assert ids_of(root, TRANSFERS, merchant=source.name, state="reversed") == {str(whole)}
    assert ids_of(root, TRANSFERS, merchant=source.name, state="unreversed") == {str(none)}
    assert {row["id"]: row["reversed"] for row in rows_of(root, TRANSFERS, merchant=source.name, state="partly")} == {str(partly): "4.00"}


def test_transfers_by_days_in_utc(root: Client) -> None:
    source, _, made = new_transfer()
    today = datetime.now(UTC).date()
    assert str(made) in ids_of(root, TRANSFERS, merchant=source.name, **{"from": today, "to": today})
    assert ids_of(root, TRANSFERS, merchant=source.name, to=today - timedelta(days=1)) == set()
    assert ids_of(root, TRANSFERS, merchant=source.name, **{"from": today + timedelta(days=1)}) == set()


def test_what_is_compared_is_looked_for_in_the_newest_rows_and_the_page_says_so(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_rows, "LOOKED_AT", 2)
    source, target, made = new_transfer(777)
    only = {"currency": "USD", "amount_from": "7.77", "amount_to": "7.77"}
    for query in ({"merchant": source.name}, {}):
        assert str(made) in ids_of(root, TRANSFERS, **only, **query)
        assert "were looked at, back to" in page_of(root, TRANSFERS, **only, **query)
    for _ in range(2):
        post(TransferFunds(source, target, USD, 100, Details()))
    for query in ({"merchant": source.name}, {}):
        assert str(made) not in ids_of(root, TRANSFERS, **only, **query)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"merchant": "nobody-of-this-name"}, "There is no merchant “nobody-of-this-name”"),
        ({"merchant": str(UUID(int=7))}, "There is no merchant"),
        ({"currency": "ZZZ"}, "There is no currency “ZZZ”"),
        ({"kind": "gift"}, "“gift” is none of"),
        ({"state": "half"}, "“half” is none of"),
        ({"from": "yesterday"}, "“yesterday” is no day"),
        ({"from": "2026-02-01", "to": "2026-01-01"}, "before it begins"),
        ({"currency": "USD", "amount_from": "1.234"}, "USD has 2 decimals"),
        ({"currency": "USD", "amount_from": "2", "amount_to": "1"}, "less than the amount to begin with"),
        ({"before": "soon"}, "“soon” is no moment"),
        ({"merchant": "x" * 101}, "too long"),
        ({"colour": "red"}, "a filter that this list does not know"),
        ({"created_at__gte": "soon"}, "a filter that this list does not know"),
        ({"p": "99999"}, "has no page 99999"),
    ],
)
def test_a_filter_that_is_not_understood_says_so_and_shows_nothing(root: Client, query: dict[str, str], words: str) -> None:
    new_transfer()
    page = page_of(root, TRANSFERS, **query)
    assert words in page
    assert 'role="alert"' in page
    assert query.get("from") != "yesterday" or 'value="yesterday"' in page
    assert "/admin/transfers/transfer/0" not in page
    if "p" not in query:
        answer = root.get(reverse("admin:transfers_transfer_export_csv"), query)
        assert answer.status_code == 302
        assert words in unescape(root.get(answer.headers["Location"]).content.decode())


def test_a_further_page_goes_on_where_the_one_before_ended(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TransferAdmin, "list_per_page", 2)
    source, target = new_merchant(), new_merchant()
    made = [str(post(TransferFunds(source, target, USD, 100, Details()))) for _ in range(5)]
    pages = [page_of(root, TRANSFERS, merchant=source.name, kind="transfer", p=number) for number in (1, 2, 3)]
    shown = [re.findall(r'href="/admin/transfers/transfer/([0-9a-f-]{36})/change/', page) for page in pages]
    assert [id_ for page in shown for id_ in page] == made[::-1]


def test_a_form_with_empty_fields_filters_nothing(root: Client) -> None:
    _, _, made = new_transfer()
    page = page_of(root, TRANSFERS, merchant="", currency="", kind="", amount_from="", state="")
    assert str(made) in page
    assert 'class="ledger-clear"' not in page


# --- holds --------------------------------------------------------------------------------------------------------------------


def test_holds_by_merchant_state_currency_and_amount(root: Client) -> None:
    source, target = new_merchant(), new_merchant()
    opened, voided = hold_of(source, target, 150), hold_of(source, target, 200)
    terms = find_hold_terms(voided)
    assert terms is not None
    post(VoidHold(terms, Details()))
    other = hold_of(target, source, 100)
    hold_of(new_merchant(), new_merchant())
    assert ids_of(root, HOLDS, merchant=source.name) == {str(opened), str(voided), str(other)}
    assert ids_of(root, HOLDS, merchant=source.name, status="open") == {str(opened), str(other)}
    assert ids_of(root, HOLDS, merchant=source.name, currency="USD", amount_from="1.01") == {str(opened), str(voided)}
    assert ids_of(root, HOLDS, merchant=source.name, currency="EUR") == set()
    assert str(opened) in ids_of(root, HOLDS, currency="USD", status="open", amount_to="1.50", amount_from="1.50")
    assert "“lost” is none of" in page_of(root, HOLDS, status="lost")


# --- refusals, requests, merchants, accounts ----------------------------------------------------------------------------------------


def test_refusals_by_merchant_currency_and_days(root: Client) -> None:
    row = refused(TransferFunds(new_merchant(10), new_merchant(), USD, 500, Details()))
    refused(TransferFunds(new_merchant(10), new_merchant(), USD, 500, Details()))
    today, side = datetime.now(UTC).date(), Merchant.objects.get(id=row.source_id).name
    query = {"merchant": side, "code": row.code, "currency": "USD,none", "from": today, "to": today}
    assert ids_of(root, REFUSALS, **query) == {str(row.id)}
    assert rows_of(root, REFUSALS, **query)[0]["amount"] == "5.00"
    assert ids_of(root, REFUSALS, merchant=side, currency="EUR") == set()
    assert ids_of(root, REFUSALS, merchant=side, currency="none") == set()
    assert ids_of(root, REFUSALS, merchant=side, to=today - timedelta(days=1)) == set()
    assert "There is no currency “ZZZ”" in page_of(root, REFUSALS, currency="USD,ZZZ")


def test_requests_by_merchant_status_and_amount(root: Client) -> None:
    merchant = new_merchant()
    made = DepositRequest.objects.create(id=new_id(), merchant_id=merchant.id, currency_id="USD", amount_minor=700, principal="p")
    assert ids_of(root, REQUESTS, merchant=merchant.name, status="pending", currency="USD", amount_from="7", amount_to="7") == {
        str(made.id)
    }
    assert ids_of(root, REQUESTS, merchant=merchant.name, status="declined") == set()
    assert ids_of(root, REQUESTS, merchant=merchant.name, currency="USD", amount_from="7.01") == set()


def test_accounts_are_wallets_unless_others_are_asked_for(root: Client) -> None:
    source, target, _ = new_transfer(1000)
    hold_of(source, target, 100)
    kinds = {row["kind"]: row["balance"] for row in rows_of(root, ACCOUNTS, merchant=source.name, kind="every")}
    assert kinds["held"] != "0.00"
    assert {"wallet", "held", "fees", "external"} == set(kinds)
    assert [row["kind"] for row in rows_of(root, ACCOUNTS, merchant=source.name)] == ["wallet"]
    assert {row["kind"] for row in rows_of(root, ACCOUNTS, merchant=source.name, kind="value")} == {"wallet", "held"}
    assert "Internal accounts" in page_of(root, ACCOUNTS, merchant=source.name)
    held = Account.objects.get(merchant_id=source.id, kind="held")
    assert str(held.id) in page_of(root, ACCOUNTS, q=str(held.id))
    assert "“purse” is none of" in page_of(root, ACCOUNTS, kind="purse")
    assert rows_of(root, ACCOUNTS, merchant=source.name, owner="treasury") == []


def test_balances_of_accounts_as_of_the_end_of_a_day(root: Client) -> None:
    merchant = new_merchant(10_000)
    today = datetime.now(UTC).date()
    assert [row["balance"] for row in rows_of(root, ACCOUNTS, merchant=merchant.name, at=today)] == ["100.00"]
    assert [row["balance"] for row in rows_of(root, ACCOUNTS, merchant=merchant.name, at=today - timedelta(days=1))] == ["0.00"]
    assert "100.00 USD" in page_of(root, ACCOUNTS, merchant=merchant.name, at=today)
    assert "100.00 USD" not in page_of(root, ACCOUNTS, merchant=merchant.name, at=today - timedelta(days=1))
    assert "“then” is no moment" in page_of(root, ACCOUNTS, at="then")


def test_merchants_show_their_money_and_their_last_movement(root: Client) -> None:
    merchant = new_merchant(10_000)
    post(Deposit(merchant, EUR, 500, Details()))
    hold_of(merchant, new_merchant(), 1000)
    nothing = Merchant.objects.create(name=unique("empty"))
    assert "100.00 USD + 1 more" in page_of(root, MERCHANTS, q=merchant.name)  # held money with it
    (row,) = rows_of(root, MERCHANTS, q=merchant.name)
    assert (row["currency"], row["available"], row["held"], row["other_money"]) == ("USD", "89.90", "10.10", "5.00 EUR")
    assert datetime.fromisoformat(row["last_movement_utc"]).date() == datetime.now(UTC).date()
    (row,) = rows_of(root, MERCHANTS, q=merchant.name, currency="EUR")
    assert (row["currency"], row["available"], row["held"]) == ("EUR", "5.00", "0.00")
    assert rows_of(root, MERCHANTS, q=merchant.name, currency="CHF") == []
    (row,) = rows_of(root, MERCHANTS, q=nothing.name)
    assert (row["available"], row["last_movement_utc"]) == ("", "")
    assert rows_of(root, MERCHANTS, q=merchant.name, status="frozen") == []


def test_a_list_of_accounts_asks_for_no_row_by_itself(root: Client) -> None:
    for _ in range(3):
        new_merchant()
    with CaptureQueriesContext(connection) as asked:
        page_of(root, ACCOUNTS)
    assert sum('FROM "merchants_currency"' in query["sql"] for query in asked) == 1  # for the filter
    counts = [query["sql"] for query in asked if query["sql"].startswith("SELECT COUNT")]
    assert counts
    assert not any("transfers_ledgerentry" in sql for sql in counts)


def test_a_list_of_merchants_reads_its_money_by_one_query(root: Client) -> None:
    for _ in range(3):
        new_merchant()
    with CaptureQueriesContext(connection) as asked:
        page_of(root, MERCHANTS)
    assert sum("transfers_ledgerentry" in query["sql"] for query in asked) == 1


# --- files --------------------------------------------------------------------------------------------------------------------


def sheet_of(client: Client, name: str, **query: object) -> list[dict[str, tuple[str, str]]]:
    """Return the rows of an XLSX file: each cell as (type, text) by the name of its column."""
    answer = client.get(reverse(f"admin:{name}_export_xlsx"), query)
    assert answer.status_code == 200
    with ZipFile(BytesIO(content_of(answer))) as book:
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))  # noqa: S314 - our own file
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    rows = [
        {re.sub("[0-9]", "", cell.attrib["r"]): (cell.get("t", "n"), "".join(cell.itertext())) for cell in row}
        for row in sheet.iter(f"{space}row")
    ]
    names = {letter: name for letter, (_, name) in rows[0].items()}
    return [{names[letter]: cell for letter, cell in row.items()} for row in rows[1:]]


def test_a_workbook_has_exact_numbers_and_no_formulas(root: Client) -> None:
    source = new_merchant(10_000)
    post(TransferFunds(source, new_merchant(), USD, 1250, Details(memo="=HYPERLINK(1) \x01 <&>")))
    (cells,) = sheet_of(root, TRANSFERS, merchant=source.name, kind="transfer")
    assert cells["amount"] == ("n", "12.50")
    kind, memo = cells["memo"]
    assert kind in {"inlineStr", "s"}
    assert memo.startswith("=HYPERLINK(1)")
    assert float(cells["time_utc"][1]) > 45_000


@pytest.mark.parametrize("memo", ["<r><t>x</t></r>", "<r></t></r>", "<r>&</r>", "\ufffe\uffff", "_x0041_", " \x7f\x1f", "é𝄞"])
def test_no_text_breaks_a_workbook(root: Client, memo: str) -> None:
    source = new_merchant()
    post(TransferFunds(source, new_merchant(), USD, 100, Details(memo=memo)))
    (row,) = sheet_of(root, TRANSFERS, merchant=source.name, kind="transfer")
    assert row["memo"][1].rstrip(" ") == memo.replace("\ufffe\uffff", "\ufffd\ufffd").replace("\x1f", "_x001F_").replace(
        "_x0041", "_x005F_x0041"
    )


@pytest.mark.parametrize(
    ("minor", "kind", "text"),
    [(999_999_999_999_999, "n", "0.000999999999999999"), (10**15, "inlineStr", "0.001000000000000000"), (9_000_000_000_000_01, "n", None)],
)
def test_an_amount_that_a_double_cannot_hold_is_a_text(root: Client, minor: int, kind: str, text: str | None) -> None:
    ether, merchant = CurrencyUnit("ETH", 18), new_merchant()
    post(Deposit(merchant, ether, minor, Details()))
    (row,) = sheet_of(root, TRANSFERS, merchant=merchant.name, currency="ETH")
    found = row["amount"]
    assert found[0] == kind
    assert Decimal(found[1]) == Decimal(minor).scaleb(-18)
    assert text is None or Decimal(found[1]) == Decimal(text)


def test_a_csv_has_no_formulas(root: Client) -> None:
    source = new_merchant()
    post(TransferFunds(source, new_merchant(), USD, 100, Details(memo="=cmd|x", external_reference=unique("-ref"))))
    (row,) = rows_of(root, TRANSFERS, merchant=source.name, kind="transfer")
    assert row["memo"] == "'=cmd|x"
    assert row["external_reference"].startswith("'-")
    assert row["amount"] == "1.00"


def test_a_file_that_was_cut_says_so_in_its_name_and_its_last_line(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("console.list_exports", "console.lists"):
        monkeypatch.setattr(f"{module}.MOST_ROWS", 2)
    source, target = new_merchant(), new_merchant()
    for _ in range(3):
        post(TransferFunds(source, target, USD, 100, Details()))
    query = {"merchant": source.name}
    answer = root.get(reverse("admin:transfers_transfer_export_csv"), query)
    lines = content_of(answer).decode().splitlines()
    assert "-newest-2.csv" in answer.headers["Content-Disposition"]
    assert len(lines) == 4
    assert lines[-1].startswith("Cut: the list has more than these 2 rows")
    assert sheet_of(root, TRANSFERS, **query)[-1]["id"][1].startswith("Cut: ")
    whole = root.get(reverse("admin:transfers_transfer_export_csv"), query | {"to": "2001-01-01"})
    assert "newest" not in whole.headers["Content-Disposition"]
    assert len(content_of(whole).decode().splitlines()) == 1


def test_more_rows_than_are_read_at_once_keep_their_order(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_exports, "_CHUNK", 2)
    source, target = new_merchant(), new_merchant()
    made = [post(TransferFunds(source, target, USD, 100, Details())) for _ in range(5)]
    assert [row["id"] for row in rows_of(root, TRANSFERS, merchant=source.name, kind="transfer")] == [str(one) for one in reversed(made)]
    assert len(sheet_of(root, TRANSFERS, merchant=source.name, kind="transfer")) == 5


def test_who_may_see_a_list_may_export_it_and_it_is_logged(root: Client) -> None:
    source, _, _ = new_transfer()
    rows_of(root, TRANSFERS, merchant=source.name, kind="transfer")
    entry = LogEntry.objects.filter(change_message__contains=f"merchant={source.name}").latest("id")
    assert entry.change_message == f"Exported 1 rows as CSV: kind=transfer, merchant={source.name}"
    assert "list of transfers" in entry.object_repr
    assert "Exported 1 rows" in page_of(root, "admin_logentry", q=source.name)
    user, client = User.objects.create_user(unique("staff"), is_staff=True), Client()
    client.force_login(user)
    address = reverse("admin:transfers_transfer_export_csv")
    assert client.get(address).status_code == 403
    user.user_permissions.set(Permission.objects.filter(codename="view_transfer"))
    assert client.get(address, {"merchant": source.name}).status_code == 200


def test_the_log_has_no_text_that_was_searched_for(root: Client) -> None:
    secret = unique("somebody")
    rows_of(root, TRANSFERS, q=secret)
    entry = LogEntry.objects.filter(change_message__startswith="Exported").latest("id")
    assert secret not in entry.change_message
    assert "found by a search" in entry.change_message


# --- names --------------------------------------------------------------------------------------------------------------------


def test_names_are_suggested_by_their_beginning_and_by_a_part(root: Client) -> None:
    part = unique("zq")
    first, second = f"{part}-shop", f"a-{part}"
    for name in (first, second):
        Merchant.objects.create(name=name, display_name="Shop & Co")
    names = root.get(reverse("admin:ledger_names"), {"q": part.upper()}).json()["names"]
    assert names == [{"name": first, "label": "Shop & Co"}, {"name": second, "label": "Shop & Co"}]
    for nothing in ("", "  ", "é", "'; --"):
        assert root.get(reverse("admin:ledger_names"), {"q": nothing}).json() == {"names": []}
    client = Client()
    client.force_login(User.objects.create_user(unique("nobody"), is_staff=True))
    assert client.get(reverse("admin:ledger_names"), {"q": part}).status_code == 403


def captured(hold: UUID, amount: int) -> UUID:
    terms = find_hold_terms(hold)
    assert terms is not None
    made = post(CaptureHold(terms, amount, Details()))
    assert made is not None
    return made
