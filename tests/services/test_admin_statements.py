"""Statements in the admin: ready-made periods, files that name their period, and a wrong period that says so."""

from __future__ import annotations

import asyncio
import csv
import re
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO, StringIO
from typing import Any
from zipfile import ZipFile

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from pypdf import PdfReader

from ledger_project.database.fields import new_id
from ledger_project.kernel.money import CurrencyUnit
from merchants.admin import statements
from merchants.domain import MerchantIdentity
from merchants.models import Account, Merchant
from people.models import User
from tests.services.test_admin import USD, change_page, new_merchant, new_transfer, post, root
from tests.support.factories import unique
from transfers.domain.commands import Deposit, Details, OpenAccount, TransferFunds
from transfers.statements import pdf
from transfers.statements.archive import LEFT_OUT_NAME, archive_file, archive_of
from transfers.statements.days import StatementDays, presets
from transfers.statements.formats import StatementFormat

__all__ = ["root"]

CHF = CurrencyUnit("CHF", 2)
FORMS = ["csv", "pdf", "camt053"]


def wallet() -> Account:
    source, _, _ = new_transfer()
    return Account.objects.select_related("merchant").get(merchant_id=source.id, kind="wallet")


def export(root: Client, account: Account, form: str, **query: object) -> Any:
    return root.get(reverse(f"admin:account_{form}", args=[account.id]), query)


def content(response: Any) -> bytes:
    async def read() -> bytes:
        return b"".join([part async for part in response.streaming_content])

    return asyncio.run(read()) if response.streaming else response.content


def test_the_csv_has_both_balances_and_signed_amounts(root: Client) -> None:
    account = wallet()
    rows = list(csv.DictReader(StringIO(content(export(root, account, "csv")).decode())))
    shown = [(row["what"], row["amount"], row["balance_after"]) for row in rows]
    assert shown[0] == ("closing balance", "", "89.90")
    assert shown[1:3] == [("fee", "-0.10", "89.90"), ("transfer", "-10.00", "90.00")]
    assert shown[-2:] == [("opening", "100.00", "100.00"), ("opening balance", "", "0.00")]
    assert {row["currency"] for row in rows} == {"USD"}


def test_text_of_callers_is_no_formula_in_a_spreadsheet(root: Client) -> None:
    source = new_merchant()
    post(TransferFunds(source, new_merchant(), USD, 10, Details(memo="=1+1")))
    account = Account.objects.get(merchant_id=source.id, kind="wallet")
    memos = {row["memo"] for row in csv.DictReader(StringIO(content(export(root, account, "csv")).decode()))}
    assert "=1+1" not in memos
    assert any("=1+1" in memo for memo in memos)


@pytest.mark.parametrize(("form", "ending", "start"), [("csv", "csv", b"time_utc"), ("pdf", "pdf", b"%PDF-"), ("camt053", "xml", b"<?xml")])
def test_each_form_is_a_file_that_names_its_period(root: Client, form: str, ending: str, start: bytes) -> None:
    account, today = wallet(), datetime.now(UTC).date()
    assert f"{reverse(f'admin:account_{form}', args=[account.id])}?" in root.get(change_page(account)).content.decode()
    first = today - timedelta(days=3)
    response = export(root, account, form, **{"from": first, "to": today})
    assert response.status_code == 200
    name = f"statement-{account.merchant.name}-USD-wallet-{first}-to-{today}.{ending}"
    assert response["Content-Disposition"] == f'attachment; filename="{name}"'
    assert content(response).startswith(start)
    assert f"-{today}-to-{today}.{ending}" in export(root, account, form)["Content-Disposition"]


TOMORROW = str(datetime.now(UTC).date() + timedelta(days=2))
WRONG = [
    ({"from": "2026-02-30"}, "from", "No day: 2026-02-30."),
    ({"to": "yesterday"}, "to", "No day: yesterday."),
    ({"from": "2026-02-02", "to": "2026-02-01"}, "to", "The period ends on 2026-02-01, before it begins on 2026-02-02."),
    ({"to": TOMORROW}, "to", f"{TOMORROW} has not come yet."),
    ({"type": "nonsense"}, "type", "No type of entry: nonsense."),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("query", "field", "words"), WRONG)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_shown(
    root: Client, form: str, query: dict[str, str], field: str, words: str
) -> None:
    account = wallet()
    page = root.get(change_page(account), query).content.decode()
    assert words in page.split(f'id="problem-{field}"')[1].split("</span>")[0]
    assert f'name="{field}"' in page.split('aria-invalid="true"')[0].rsplit("<", 1)[1]
    assert "Export as" not in page
    response = export(root, account, form, **query)
    assert (response.status_code, response["Location"].split("?")[0]) == (302, change_page(account))
    after = root.get(response["Location"]).content.decode()
    assert "No file was made" in after
    assert words in after.split(f'id="problem-{field}"')[1]


@pytest.mark.parametrize("form", ["pdf", "camt053"])
def test_only_csv_is_of_one_type_of_entry(root: Client, form: str) -> None:
    account = wallet()
    assert export(root, account, "csv", type="fee").status_code == 200
    response = export(root, account, form, type="fee")
    assert response.status_code == 302
    assert "holds a statement as a whole" in root.get(response["Location"]).content.decode()


def new_wallet(of: MerchantIdentity, currency: str) -> Account:
    return Account.objects.create(id=new_id(place=of.id), merchant_id=of.id, currency_id=currency, kind="wallet", status="active")


def test_what_a_form_cannot_hold_is_said_on_the_page(root: Client) -> None:
    response = export(root, new_wallet(new_merchant(), "BTC"), "camt053")
    assert response.status_code == 302
    assert "5 decimals at most" in root.get(response["Location"]).content.decode()


def test_the_ready_made_periods_are_one_click_away(root: Client) -> None:
    page = root.get(change_page(wallet())).content.decode().replace("&amp;", "&")
    for preset in presets():
        assert f'href="?{preset.query}">{preset.words}</a>' in page


# --- several accounts as a ZIP ----------------------------------------------------------------------------------------------

STATEMENTS, ZIP = reverse("admin:account_statements"), reverse("admin:account_statements_zip")


def archive(client: Client, **query: object) -> dict[str, bytes]:
    response = client.get(ZIP, query)
    assert response.status_code == 200
    with ZipFile(BytesIO(content(response))) as read:
        assert read.testzip() is None
        return {name: read.read(name) for name in read.namelist()}


def rows_of(text: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text.decode())))


@pytest.fixture
def shop() -> MerchantIdentity:
    """A merchant with 100.00 USD, 7.00 CHF, and a wallet of BTC that camt.053 cannot hold."""
    source = new_merchant()
    post(OpenAccount(source, CHF))
    post(Deposit(source, CHF, 700, Details()))
    new_wallet(source, "BTC")
    return source


def test_the_statements_of_all_wallets_of_a_merchant_are_one_file(root: Client, shop: MerchantIdentity) -> None:
    today = datetime.now(UTC).date()
    (link,) = re.findall(rf'href="({STATEMENTS}[^"]*)"', root.get(change_page(Merchant.objects.get(id=shop.id))).content.decode())
    page = root.get(link).content.decode()
    assert "3 of 3 statements" in page
    assert f"?merchant={shop.id}&amp;format=csv&amp;from={today}&amp;to={today}" in page
    response = root.get(ZIP, {"merchant": shop.id, "from": today, "to": today})
    assert response["Content-Disposition"] == f'attachment; filename="statements-{shop.name}-{today}-to-{today}.zip"'
    files = {name: rows_of(text) for name, text in archive(root, merchant=shop.id, **{"from": today, "to": today}).items()}
    assert set(files) == {f"statement-{shop.name}-{code}-wallet-{today}-to-{today}.csv" for code in ("BTC", "CHF", "USD")}
    balances = {rows[0]["currency"]: (rows[-1]["balance_after"], rows[0]["balance_after"]) for rows in files.values()}
    assert balances == {"BTC": ("0.00000000", "0.00000000"), "CHF": ("0.00", "7.00"), "USD": ("0.00", "100.00")}


def test_without_days_the_page_asks_for_last_month_and_cleared_days_are_all(root: Client, shop: MerchantIdentity) -> None:
    (last,) = [preset for preset in presets() if preset.words == "Last month"]
    page = root.get(STATEMENTS, {"merchant": shop.id}).content.decode()
    assert f'name="from" value="{last.first}"' in page
    assert f'name="to" value="{last.last}"' in page
    assert len(archive(root, merchant=shop.id, **{"from": "", "to": ""})) == 3
    assert all(len(rows_of(text)) == 2 for text in archive(root, merchant=shop.id).values())


@pytest.mark.parametrize("form", FORMS)
def test_a_period_without_movement_has_equal_balances_at_its_ends(root: Client, shop: MerchantIdentity, form: str) -> None:
    days = {"from": "2026-01-01", "to": "2026-01-31"}
    files = archive(root, merchant=shop.id, format=form, **days)
    texts = [text for name, text in files.items() if "-USD-" in name]
    assert len(texts) == 1
    if form == "csv":
        assert [(row["what"], row["balance_after"]) for row in rows_of(texts[0])] == [
            ("closing balance", "0.00"),
            ("opening balance", "0.00"),
        ]
    elif form == "camt053":
        assert re.findall(rb"<Cd>(OPBD|CLBD)</Cd></CdOrPrtry></Tp><Amt Ccy=\"USD\">([0-9.]+)</Amt>", texts[0]) == [
            (b"OPBD", b"0.00"),
            (b"CLBD", b"0.00"),
        ]
        assert b"<Ntry>" not in texts[0]
    else:
        words = "".join(page.extract_text() for page in PdfReader(BytesIO(texts[0])).pages)
        assert re.search(r"Opening balance\s*0\.00 USD", words)
        assert re.search(r"Closing balance\s*0\.00 USD", words)


def test_a_wallet_that_a_format_cannot_hold_is_named_beside_the_others(root: Client, shop: MerchantIdentity) -> None:
    page = root.get(STATEMENTS, {"merchant": shop.id, "format": "camt053"}).content.decode()
    assert "2 of 3 statements" in page
    assert "5 decimals at most; BTC has 8" in page
    files = archive(root, merchant=shop.id, format="camt053", **{"from": "", "to": ""})
    assert sorted(name.rsplit(".", 1)[1] for name in files) == ["txt", "xml", "xml"]
    said = files[LEFT_OUT_NAME].decode()
    assert shop.name in said
    assert "BTC" in said
    assert "5 decimals at most" in said


def test_where_a_format_holds_none_of_them_the_page_says_why(root: Client) -> None:
    account = new_wallet(new_merchant(), "BTC")
    query = {"accounts": account.id.hex, "format": "camt053"}
    response = root.get(ZIP, query)
    assert response.status_code == 302
    assert "No statement can be shown in this format. camt.053 holds 5 decimals at most" in root.get(response["Location"]).content.decode()


def test_a_pdf_that_would_be_too_long_is_left_out_and_named(root: Client, shop: MerchantIdentity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "MOST_LINES", 1)
    post(Deposit(shop, CHF, 700, Details()))
    files = archive(root, merchant=shop.id, format="pdf", **{"from": "", "to": ""})
    assert "CHF, wallet" in files[LEFT_OUT_NAME].decode()
    assert "1 lines at most, and this period has 2" in files[LEFT_OUT_NAME].decode()
    assert sum(text.startswith(b"%PDF-") for text in files.values()) == 2


def test_the_accounts_that_are_checked_in_the_list_are_one_file(root: Client) -> None:
    chosen = [wallet(), wallet()]
    listed = reverse("admin:merchants_account_changelist")
    response = root.post(listed, {"action": "statements", "_selected_action": [str(one.pk) for one in chosen]})
    assert response.status_code == 302
    assert "2 of 2 statements" in root.get(response["Location"]).content.decode()
    query = dict(pair.split("=") for pair in response["Location"].split("?")[1].split("&"))
    files = archive(root, **query, **{"from": "", "to": ""})
    assert {name.split("-USD-")[0] for name in files} == {f"statement-{one.merchant.name}" for one in chosen}


def test_too_many_accounts_or_lines_say_so(root: Client, shop: MerchantIdentity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "MOST_ACCOUNTS", 1)
    chosen = [str(wallet().pk), str(wallet().pk)]
    page = root.post(reverse("admin:merchants_account_changelist"), {"action": "statements", "_selected_action": chosen}, follow=True)
    assert "1 accounts at most" in page.content.decode()
    monkeypatch.setattr(statements, "MOST_ACCOUNTS", 200)
    monkeypatch.setattr("transfers.statements.archive.MOST_LINES", 1)
    response = root.get(ZIP, {"merchant": shop.id, "from": "", "to": ""})
    assert response.status_code == 302
    assert "One file holds 1 lines at most, and these are 2." in root.get(response["Location"]).content.decode()


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ({"from": "2026-13-01", "to": ""}, "from", "No day: 2026-13-01."),
        ({"from": TOMORROW, "to": ""}, "from", "has not come yet"),
        ({"from": "2026-02-02", "to": "2026-02-01"}, "to", "before it begins"),
        ({"format": "docx"}, "format", "No format: docx. There are csv, pdf, camt053."),
    ],
)
def test_what_is_wrong_with_a_zip_is_said_at_its_field(
    root: Client, shop: MerchantIdentity, query: dict[str, str], field: str, words: str
) -> None:
    response = root.get(ZIP, {"merchant": shop.id, **query})
    assert response.status_code == 302
    page = root.get(response["Location"]).content.decode()
    assert "No file was made" in page
    assert words in page.split(f'id="problem-{field}"')[1].split("</span>")[0]


@pytest.mark.parametrize("query", [{}, {"accounts": "x,,y"}, {"merchant": "nobody"}])
def test_without_accounts_the_page_says_so(root: Client, query: dict[str, str]) -> None:
    assert "There is no account to make a statement of." in root.get(STATEMENTS, query).content.decode()
    assert root.get(ZIP, query).status_code == 302


def test_who_may_see_no_accounts_gets_no_statements(shop: MerchantIdentity) -> None:
    user = User.objects.create_user(unique("staff"), is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_merchant"))
    stranger = Client()
    stranger.force_login(user)
    for address in (STATEMENTS, ZIP):
        assert stranger.get(address, {"merchant": shop.id}).status_code == 403
    assert STATEMENTS not in stranger.get(change_page(Merchant.objects.get(id=shop.id))).content.decode()


def test_a_zip_is_streamed_statement_by_statement() -> None:
    account = wallet()
    one = archive_of([account], StatementFormat.CSV, StatementDays())
    many = replace(one, held=[replace(one.held[0], merchant_name=f"shop-{n}") for n in range(300)])

    async def read() -> list[int]:
        return [len(piece) async for piece in archive_file(many, "many")]

    tracemalloc.start()
    try:
        sizes = asyncio.run(read())
        assert max(sizes) < sum(sizes) / 3  # the largest one is the table of contents
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
