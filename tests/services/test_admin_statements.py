"""Statements in the admin: ready-made periods, files that name their period, and a wrong period that says so."""

from __future__ import annotations

import asyncio
import csv
from datetime import UTC, date, datetime, timedelta
from io import BytesIO, StringIO
from typing import Any
from zipfile import ZipFile

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from ledger_project.database.fields import new_id
from ledger_project.kernel.money import CurrencyUnit
from merchants.models import Account, Merchant
from people.models import User
from tests.services.test_admin import USD, change_page, new_merchant, new_transfer, post, root
from tests.support.factories import unique
from transfers.domain.commands import Deposit, Details, OpenAccount, TransferFunds

__all__ = ["root"]

CHF = CurrencyUnit("CHF", 2)
FORMS = ["export", "pdf", "camt053"]


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
    rows = list(csv.DictReader(StringIO(content(export(root, account, "export")).decode())))
    shown = [(row["what"], row["amount"], row["balance_after"]) for row in rows]
    assert shown[0] == ("closing balance", "", "89.90")
    assert shown[1:3] == [("fee", "-0.10", "89.90"), ("transfer", "-10.00", "90.00")]
    assert shown[-2:] == [("opening", "100.00", "100.00"), ("opening balance", "", "0.00")]
    assert {row["currency"] for row in rows} == {"USD"}


def test_text_of_callers_is_no_formula_in_a_spreadsheet(root: Client) -> None:
    source = new_merchant()
    post(TransferFunds(source, new_merchant(), USD, 10, Details(memo="=1+1")))
    account = Account.objects.get(merchant_id=source.id, kind="wallet")
    memos = {row["memo"] for row in csv.DictReader(StringIO(content(export(root, account, "export")).decode()))}
    assert "=1+1" not in memos
    assert any("=1+1" in memo for memo in memos)


@pytest.mark.parametrize(
    ("form", "ending", "start"), [("export", "csv", b"time_utc"), ("pdf", "pdf", b"%PDF-"), ("camt053", "xml", b"<?xml")]
)
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


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("query", [{"from": "2026-02-30"}, {"from": "2026-02-02", "to": "2026-02-01"}])
def test_a_wrong_period_says_so_and_makes_no_file(root: Client, form: str, query: dict[str, str]) -> None:
    account = wallet()
    page = root.get(change_page(account), query).content.decode()
    assert 'role="alert"' in page
    assert query["from"] in page
    response = export(root, account, form, **query)
    assert (response.status_code, response["Location"].split("?")[0]) == (302, change_page(account))
    assert "No file was made" in root.get(response["Location"]).content.decode()


def test_what_a_form_cannot_hold_is_said_on_the_page(root: Client) -> None:
    source = new_merchant()
    btc = Account.objects.create(id=new_id(place=source.id), merchant_id=source.id, currency_id="BTC", kind="wallet", status="active")
    response = export(root, btc, "camt053")
    assert response.status_code == 302
    assert "5 decimals at most" in root.get(response["Location"]).content.decode()


def test_last_month_this_month_and_the_last_seven_days_are_one_click_away(root: Client) -> None:
    page = root.get(change_page(wallet())).content.decode().replace("&amp;", "&")
    today = datetime.now(UTC).date()
    last = today.replace(day=1) - timedelta(days=1)
    for first, end in ((date(last.year, last.month, 1), last), (today.replace(day=1), today), (today - timedelta(days=6), today)):
        assert f"?from={first}&to={end}" in page


def test_the_statements_of_all_wallets_of_a_merchant_are_one_file(root: Client) -> None:
    source, today = new_merchant(), datetime.now(UTC).date()
    post(OpenAccount(source, CHF))
    post(Deposit(source, CHF, 700, Details()))
    merchant = Merchant.objects.get(id=source.id)
    url = reverse("admin:merchant_statements", args=[source.id])
    assert f"{url}?from={today - timedelta(days=6)}&to={today}" in root.get(change_page(merchant)).content.decode().replace("&amp;", "&")
    response = root.get(url, {"from": today, "to": today, "type": "fee"})
    assert response["Content-Disposition"] == f'attachment; filename="statements-{source.name}-{today}-to-{today}.zip"'
    with ZipFile(BytesIO(content(response))) as archive:
        assert archive.testzip() is None
        files = {name: list(csv.DictReader(StringIO(archive.read(name).decode()))) for name in archive.namelist()}
    assert set(files) == {f"statement-{source.name}-{code}-wallet-{today}-to-{today}.csv" for code in ("CHF", "USD")}
    balances = {rows[0]["currency"]: (rows[-1]["balance_after"], rows[0]["balance_after"]) for rows in files.values()}
    assert balances == {"CHF": ("0.00", "7.00"), "USD": ("0.00", "100.00")}


def test_a_wrong_period_makes_no_archive_and_who_may_see_no_accounts_gets_none(root: Client) -> None:
    source = new_merchant()
    url = reverse("admin:merchant_statements", args=[source.id])
    response = root.get(url, {"from": "2026-13-01"})
    assert response.status_code == 302
    assert "No day: 2026-13-01" in root.get(response["Location"]).content.decode()
    user = User.objects.create_user(unique("staff"), is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_merchant"))
    stranger = Client()
    stranger.force_login(user)
    assert stranger.get(url).status_code == 403
    assert url not in stranger.get(change_page(Merchant.objects.get(id=source.id))).content.decode()
