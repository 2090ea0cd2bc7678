"""Statements as CSV and camt.053: whole periods, streamed, true to the letter of their formats."""

from __future__ import annotations

import csv
import io
import tracemalloc
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import httpx
import pytest
import xmlschema

from ledger_project.database.readers import in_reader
from ledger_project.kernel.money import CurrencyUnit
from merchants.models import Account
from merchants.selectors import identify
from tests.api.test_statements import busy, signed, statement
from tests.support.factories import key, merchant, transfer, unique, wallet
from transfers.domain.commands import Deposit, Details
from transfers.domain.kinds import EntryType
from transfers.posting.synchronous import post_now
from transfers.selectors.statements import get_period
from transfers.statements.camt053 import BOOKING_TEXTS
from transfers.statements.csv import csv_response
from transfers.statements.spreadsheets import neutralised

SCHEMA = xmlschema.XMLSchema(Path(__file__).parent.parent / "schemas" / "camt.053.001.08.excerpt.xsd")
NS = {"c": "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"}
FIELDS = [
    "id", "account_id", "transfer_id", "sequence", "direction", "type", "currency", "amount", "amount_minor", "balance_after",
    "balance_after_minor", "counterparty", "memo", "external_reference", "created_at",
]  # fmt: skip

MEMOS = [
    "plain",
    "a,b;c\td",
    'say "hi", twice ""',
    "two\nlines",
    "carriage\r\nreturn\rend",
    "naïve ☃ 😀 \u202e rtl",
    " blanks around ",
    "=1+1",
    "<b>&amp;</b> ]]>",
    "'",
    "x" * 500,
    "",
]


async def fetch(api: httpx.AsyncClient, account: str, accept: str, **params: Any) -> httpx.Response:
    wanted = {n.rstrip("_"): v for n, v in params.items()}
    return await api.get(f"/accounts/{account}/statement", params=wanted, headers={"Accept": accept})


async def csv_lines(api: httpx.AsyncClient, account: str, **params: Any) -> list[dict[str, str]]:
    response = await fetch(api, account, "text/csv", **params)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    return list(csv.DictReader(io.StringIO(response.content.decode(), newline="")))


async def camt(api: httpx.AsyncClient, account: str, **params: Any) -> ET.Element:
    """Return a valid statement's element."""
    response = await fetch(api, account, "application/xml", **params)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/xml; charset=utf-8"), response.text
    SCHEMA.validate(response.text)
    document = ET.fromstring(response.content)  # noqa: S314 - our own document
    (found,) = document.findall("c:BkToCstmrStmt/c:Stmt", NS)
    return found


def text(element: ET.Element, path: str) -> str:
    return element.findtext("/".join(f"c:{name}" for name in path.split("/")), namespaces=NS) or ""


async def with_memos(api: httpx.AsyncClient, memos: list[str]) -> str:
    account = await wallet(api, await merchant(api, "0"))
    for memo in memos:
        response = await api.post(f"/accounts/{account}/deposit", json={"amount": "1", "memo": memo}, headers=key())
        assert response.status_code == 200, response.text
    return account


# --- CSV --------------------------------------------------------------------------------------------------------------------


async def test_csv_is_the_json_lines_under_their_names(api: httpx.AsyncClient) -> None:
    _, account, _ = await busy(api)
    lines = (await statement(api, account))["items"]
    assert await csv_lines(api, account) == [{n: "" if line[n] is None else str(line[n]) for n in FIELDS} for line in lines]
    first_row = (await fetch(api, account, "text/csv")).text.partition("\r\n")[0]
    assert first_row.split(",") == FIELDS == [name for name in FIELDS if name in lines[0]]
    assert set(FIELDS) == set(lines[0])


async def test_csv_is_the_whole_period_whatever_limit_and_cursor_say(api: httpx.AsyncClient) -> None:
    _, account, _ = await busy(api)
    assert len(await csv_lines(api, account, limit=1)) == 12
    cursor = (await statement(api, account, limit=5))["next_cursor"]
    assert len(await csv_lines(api, account, limit=5, cursor=cursor)) == 12
    response = await fetch(api, account, "text/csv", limit=0)
    assert (response.status_code, response.json()["code"]) == (422, "validation_error")


async def test_csv_keeps_to_its_period(api: httpx.AsyncClient) -> None:
    _, account, _ = await busy(api)
    lines = (await statement(api, account))["items"]
    bounds = {"from_": lines[8]["created_at"], "to": lines[2]["created_at"]}
    page = await statement(api, account, **bounds)
    assert [row["id"] for row in await csv_lines(api, account, **bounds)] == [line["id"] for line in page["items"]]


FORMULAS = ["=1+1", "+1", "-5.00", "@SUM(A1)", "\tx", "\r=1", "\n=1", "＝1", " =1", "a;=cmd|' /C calc'!A0;", "plain", "a=b", "-"]


async def test_a_spreadsheet_gets_no_formulas_and_programs_get_what_was_written(api: httpx.AsyncClient) -> None:
    source, target = await merchant(api, "100"), await merchant(api)
    for memo in FORMULAS:
        assert (await transfer(api, source, target, 100, memo=memo, external_reference=f"{memo}{unique()}")).status_code == 201
    account = await wallet(api, target)
    raw, safe = await csv_lines(api, account), await csv_lines(api, account, spreadsheet="true")
    assert [row["memo"] for row in raw] == FORMULAS[::-1]
    assert raw == await csv_lines(api, account, spreadsheet="false")
    assert [row["memo"] for row in safe] == [neutralised(memo) for memo in FORMULAS[::-1]]
    assert not [row for row in safe for cell in row.values() if cell[:1] in set("=+-@＝\t\r\n")]
    assert [{name: cell.replace("'", "") for name, cell in row.items()} for row in raw] == [
        {name: cell.replace("'", "") for name, cell in row.items()} for row in safe
    ]
    cursor = (await statement(api, account, limit=5))["next_cursor"]
    assert await csv_lines(api, account, spreadsheet="true", cursor=cursor) == safe


async def test_an_amount_below_zero_stays_a_number_in_a_spreadsheet(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "1")
    account = await wallet(api, name)
    await in_reader(Account.objects.filter(id=account).update, overdraft_limit_minor=1000)
    await transfer(api, name, await merchant(api), 500)
    assert "-4.05" in {row["balance_after"] for row in await csv_lines(api, account, spreadsheet="true")}


async def test_any_memo_survives_csv(api: httpx.AsyncClient) -> None:
    account = await with_memos(api, MEMOS)
    assert [row["memo"] for row in await csv_lines(api, account)] == MEMOS[::-1]


async def test_csv_of_an_empty_account_is_its_header(api: httpx.AsyncClient) -> None:
    account = await wallet(api, await merchant(api, "0"))
    assert (await fetch(api, account, "text/csv")).text == ",".join(FIELDS) + "\r\n"


async def test_amounts_of_any_size_stay_exact_in_csv(api: httpx.AsyncClient) -> None:
    account = await wallet(api, await merchant(api, "0", "ETH"), "ETH")
    await api.post(f"/accounts/{account}/deposit", json={"amount_minor": 10**30 - 1}, headers=key())
    (row,) = await csv_lines(api, account)
    assert (row["amount_minor"], row["amount"]) == ("9" * 30, "9" * 12 + "." + "9" * 18)


async def long_account(api: httpx.AsyncClient, lines: int) -> Account:
    name = await merchant(api, "0", "JPY")
    found = (await identify(names=[name])).merchant(name)
    assert found is not None
    deposit = Deposit(found, CurrencyUnit("JPY", 0), 1, Details(memo="m" * 100))
    for _ in range(lines // 1000):
        await in_reader(post_now, [deposit] * 1000)
    return await in_reader(Account.objects.select_related("merchant").get, id=UUID(await wallet(api, name, "JPY")))


async def _peak_of_stream(account: Account) -> tuple[int, int, int]:
    """Return the lines, the chunks and the peak of memory (bytes) of streaming an account as CSV."""
    response = csv_response(await in_reader(get_period, account, start=None, end=None))
    lines = chunks = 0
    tracemalloc.start()
    async for chunk in response:
        chunks += 1
        lines += chunk.count(b"\r\n")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return lines - 1, chunks, peak


async def test_a_long_account_streams_in_the_memory_of_a_short_one(api: httpx.AsyncClient) -> None:
    short, long = await long_account(api, 2000), await long_account(api, 8_000)
    await _peak_of_stream(short)  # whatever is loaded once is loaded now
    lines, chunks, peak = await _peak_of_stream(short)
    assert (lines, chunks) == (2000, 3)
    long_lines, long_chunks, long_peak = await _peak_of_stream(long)
    assert (long_lines, long_chunks) == (8_000, 9)
    assert long_peak < peak * 1.25


async def test_head_answers_without_reading_the_whole_account(api: httpx.AsyncClient) -> None:
    _, account, _ = await busy(api)
    response = await api.head(f"/accounts/{account}/statement", headers={"Accept": "text/csv"})
    assert (response.status_code, response.headers["content-type"], response.content) == (200, "text/csv; charset=utf-8", b"")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/*", "application/json"),
        ("application/json, text/csv;q=0.5", "application/json"),
        ("text/csv, application/json;q=0.5", "text/csv; charset=utf-8"),
        ("text/*", "text/csv; charset=utf-8"),
        ("application/json;q=0.1, application/xml;q=0.2", "application/xml; charset=utf-8"),
        ("text/csv; charset=utf-8", "text/csv; charset=utf-8"),
        ('TEXT/CSV;header=present;Charset="UTF-8" ; q=0.9, application/json;q=.8', "text/csv; charset=utf-8"),
        ("text/csv; charset=latin-1, */*;q=0.1", "application/json"),
        ("text/csv;q=0, */*", "application/json"),
        ("application/json;q=0, application/xml;q=0, */*", "text/csv; charset=utf-8"),
        ("text/html, image/gif, *; q=.2", "application/json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", "application/xml; charset=utf-8"),
        ("", "application/json"),
    ],
)
async def test_the_form_is_the_one_that_is_liked_best(api: httpx.AsyncClient, accept: str, expected: str) -> None:
    account = await wallet(api, await merchant(api, "1"))
    assert (await fetch(api, account, accept)).headers["content-type"] == expected


# --- camt.053 ---------------------------------------------------------------------------------------------------------------


def test_the_excerpt_refuses_what_the_message_refuses() -> None:
    amount = SCHEMA.types["ActiveOrHistoricCurrencyAndAmount_SimpleType"]
    assert [amount.is_valid(text) for text in ("0", "1.50000000", "0.00001", "9" * 18, "0.000001", "9" * 19, "-1")] == [
        True, True, True, True, False, False, False,
    ]  # fmt: skip
    assert [SCHEMA.types["ActiveOrHistoricCurrencyCode"].is_valid(code) for code in ("USD", "USDC", "usd")] == [True, False, False]
    assert [SCHEMA.types["Max35Text"].is_valid("x" * n) for n in (0, 1, 35, 36)] == [False, True, True, False]


async def test_camt_is_valid_and_says_what_json_says(api: httpx.AsyncClient) -> None:
    name, account, other = await busy(api)
    lines = (await statement(api, account))["items"]
    found = await camt(api, account)
    assert (text(found, "Acct/Id/Othr/Id"), text(found, "Acct/Ccy"), text(found, "Acct/Nm")) == (UUID(account).hex, "USD", name)
    entries = found.findall("c:Ntry", NS)
    assert [
        (text(e, "NtryRef"), text(e, "Amt"), text(e, "CdtDbtInd"), text(e, "BookgDt/DtTm"), text(e, "NtryDtls/TxDtls/Refs/TxId"), text(e, "BkTxCd/Prtry/Cd"))
        for e in entries
    ] == [
        (
            UUID(line["id"]).hex, line["amount"], {"CREDIT": "CRDT", "DEBIT": "DBIT"}[line["direction"]], line["created_at"],
            UUID(line["transfer_id"]).hex, line["type"],
        )
        for line in lines
    ]  # fmt: skip
    parties = [text(e, f"NtryDtls/TxDtls/RltdPties/{'Dbtr' if text(e, 'CdtDbtInd') == 'CRDT' else 'Cdtr'}/Pty/Nm") for e in entries]
    assert parties == [line["counterparty"] or "" for line in lines]
    assert other in parties
    reversed_types = {line["type"] for line, e in zip(lines, entries, strict=True) if text(e, "RvslInd") == "true"}
    assert reversed_types == {"reversal", "fee_refund"}


def _balance(found: ET.Element, code: str) -> int:
    (balance,) = [b for b in found.findall("c:Bal", NS) if text(b, "Tp/CdOrPrtry/Cd") == code]
    sign = 1 if text(balance, "CdtDbtInd") == "CRDT" else -1
    return sign * int(text(balance, "Amt").replace(".", ""))


async def test_camt_opens_closes_and_adds_up(api: httpx.AsyncClient) -> None:
    _, account, _ = await busy(api)
    lines = (await statement(api, account))["items"]
    for bounds in ({}, {"from_": lines[8]["created_at"], "to": lines[2]["created_at"]}, {"to": lines[0]["created_at"]}):
        page = await statement(api, account, **(bounds or {"from_": "2000-01-01T00:00:00Z"}))
        found = await camt(api, account, **bounds)
        assert (_balance(found, "OPBD"), _balance(found, "CLBD")) == (page["opening_balance_minor"], page["closing_balance_minor"])
        moved = sum(
            int(text(e, "Amt").replace(".", "")) * (1 if text(e, "CdtDbtInd") == "CRDT" else -1) for e in found.findall("c:Ntry", NS)
        )
        assert _balance(found, "OPBD") + moved == _balance(found, "CLBD")
        assert moved == sum(map(signed, page["items"]))
        assert text(found, "FrToDt/FrDtTm") <= min(text(e, "BookgDt/DtTm") for e in found.findall("c:Ntry", NS))
        assert text(found, "FrToDt/ToDtTm") >= max(text(e, "BookgDt/DtTm") for e in found.findall("c:Ntry", NS))


async def test_any_memo_survives_camt(api: httpx.AsyncClient) -> None:
    account = await with_memos(api, MEMOS)
    entries = (await camt(api, account)).findall("c:Ntry", NS)
    memos = ["".join(u.text or "" for u in e.findall("c:NtryDtls/c:TxDtls/c:RmtInf/c:Ustrd", NS)) for e in entries]
    assert memos == MEMOS[::-1]


async def test_what_xml_cannot_hold_is_replaced_in_camt(api: httpx.AsyncClient) -> None:
    account = await with_memos(api, ["a\x01b\x0bc\uffffd\ufffe"])
    assert text((await camt(api, account)).findall("c:Ntry", NS)[0], "NtryDtls/TxDtls/RmtInf/Ustrd") == "a\ufffdb\ufffdc\ufffdd\ufffd"


async def test_a_closed_period_downloaded_twice_is_the_same_statement(api: httpx.AsyncClient) -> None:
    name, account, other = await busy(api)
    lines = (await statement(api, account))["items"]
    bounds = {"from_": lines[-1]["created_at"], "to": lines[2]["created_at"]}
    first = await camt(api, account, **bounds)
    await transfer(api, name, other, 1)
    again = await camt(api, account, **bounds)
    assert [text(e, "NtryRef") for e in first.findall("c:Ntry", NS)] == [text(e, "NtryRef") for e in again.findall("c:Ntry", NS)]
    assert text(first, "Id") == text(again, "Id")
    others = [
        await camt(api, account, **changed)
        for changed in (bounds | {"to": lines[3]["created_at"]}, bounds | {"from_": lines[-2]["created_at"]})
    ]
    assert len({text(found, "Id") for found in (first, *others)}) == 3


async def test_a_period_that_grows_is_another_statement_with_each_entry(api: httpx.AsyncClient) -> None:
    name, account, other = await busy(api)
    ids = []
    for bounds in ({}, {"to": "2999-01-01T00:00:00Z"}):
        for _ in range(2):
            ids.append(text(await camt(api, account, **bounds), "Id"))
            await transfer(api, name, other, 1)
    assert len(set(ids)) == 4


async def test_each_entry_has_a_reference_of_its_own_on_both_accounts(api: httpx.AsyncClient) -> None:
    _, account, other = await busy(api)
    found = [await camt(api, one) for one in (account, await wallet(api, other))]
    entries = [entry for document in found for entry in document.findall("c:Ntry", NS)]
    for path in ("NtryRef", "AcctSvcrRef"):
        references = [text(entry, path) for entry in entries]
        assert len(set(references)) == len(entries)
        assert all(0 < len(reference) <= 35 for reference in references)
    transfers = [[text(e, "NtryDtls/TxDtls/Refs/TxId") for e in document.findall("c:Ntry", NS)] for document in found]
    assert set(transfers[0]) & set(transfers[1])


async def test_an_external_reference_is_in_each_form(api: httpx.AsyncClient) -> None:
    source, target = await merchant(api, "100"), await merchant(api)
    references = [unique("inv"), "x" * 35 + unique(), "y" * (255 - len(unique("<&>"))) + unique("<&>"), f"\u202e ☃ {unique()}"]
    for reference in references:
        assert (await transfer(api, source, target, 100, external_reference=reference)).status_code == 201
    for name in (source, target):
        account = await wallet(api, name)
        lines = (await statement(api, account))["items"]
        shown = [line["external_reference"] for line in lines]
        assert set(shown) - {None} == set(references)
        assert [row["external_reference"] or None for row in await csv_lines(api, account)] == shown
        entries = (await camt(api, account)).findall("c:Ntry", NS)
        own = [text(e, "NtryDtls/TxDtls/Refs/EndToEndId") for e in entries]
        long = [text(e, "NtryDtls/TxDtls/AddtlTxInf").removeprefix("External reference: ") for e in entries]
        assert [short or rest or None for short, rest in zip(own, long, strict=True)] == shown
        detail = (await api.get(f"/transfers/{lines[0]['transfer_id']}")).json()
        assert {entry["external_reference"] for entry in detail["entries"]} == {detail["external_reference"]}


async def test_every_entry_says_in_words_what_it_is(api: httpx.AsyncClient) -> None:
    _, account, _ = await busy(api)
    entries = (await camt(api, account)).findall("c:Ntry", NS)
    words = {text(e, "BkTxCd/Prtry/Cd"): text(e, "AddtlNtryInf") for e in entries}
    assert all(words.values())
    fee = next(e for e in entries if text(e, "BkTxCd/Prtry/Cd") == "fee")
    assert text(fee, "AddtlNtryInf") == f"Fee for transfer {UUID(text(fee, 'NtryDtls/TxDtls/Refs/TxId'))}"


def test_there_are_words_for_every_type_of_entry() -> None:
    assert set(BOOKING_TEXTS) == set(EntryType)


async def test_a_browser_gets_what_there_is_of_what_it_takes(api: httpx.AsyncClient) -> None:
    account = await wallet(api, await merchant(api, "1", "BTC"), "BTC")
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
    for accept, expected in ((browser, "application/json"), ("application/xml, text/csv;q=0.1", "text/csv; charset=utf-8")):
        response = await fetch(api, account, accept)
        assert (response.status_code, response.headers["content-type"]) == (200, expected)


@pytest.mark.parametrize("accept", ["image/png", "text/csv;q=0", "text/csv; charset=utf-16", "application/msword, text/html"])
async def test_with_no_form_left_nothing_is_sent(api: httpx.AsyncClient, accept: str) -> None:
    account = await wallet(api, await merchant(api, "1"))
    response = await fetch(api, account, accept)
    assert (response.status_code, response.json()["code"]) == (406, "not_acceptable")
    assert response.json()["acceptable"] == ["application/json", "text/csv", "application/xml", "application/pdf"]


async def test_an_overdrawn_account_is_a_debit_balance(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "1")
    account = await wallet(api, name)
    await in_reader(Account.objects.filter(id=account).update, overdraft_limit_minor=1000)
    await transfer(api, name, await merchant(api), 500)
    found = await camt(api, account)
    assert _balance(found, "CLBD") == -405


async def test_camt_of_an_empty_account_is_valid(api: httpx.AsyncClient) -> None:
    found = await camt(api, await wallet(api, await merchant(api, "0")))
    assert (found.findall("c:Ntry", NS), _balance(found, "CLBD")) == ([], 0)


@pytest.mark.parametrize("currency", ["JPY", "EUR", "KWD", "CLF"])
async def test_every_iso_currency_fits_camt(api: httpx.AsyncClient, currency: str) -> None:
    account = await wallet(api, await merchant(api, "5", currency), currency)
    assert text((await camt(api, account)).findall("c:Ntry", NS)[0], "Amt").partition(".")[0] == "5"


@pytest.mark.parametrize(
    ("currency", "why"), [("BTC", "8"), ("ETH", "18"), ("XRP", "6"), ("USDC", "three letters"), ("DOGE", "three letters")]
)
async def test_a_currency_that_camt_cannot_hold_is_refused_not_rounded(api: httpx.AsyncClient, currency: str, why: str) -> None:
    account = await wallet(api, await merchant(api, "1", currency), currency)
    response = await fetch(api, account, "application/xml")
    assert (response.status_code, response.json()["code"]) == (406, "not_acceptable")
    assert response.json()["acceptable"] == ["application/json", "text/csv"]
    assert why in response.json()["detail"]
    assert len(await csv_lines(api, account)) == 1


async def test_an_amount_that_camt_cannot_hold_is_refused_where_it_is_in_the_period(api: httpx.AsyncClient) -> None:
    account = await wallet(api, await merchant(api, "0"))
    for amount in (5, 10**18 - 6, 1):
        await api.post(f"/accounts/{account}/deposit", json={"amount_minor": amount}, headers=key())
    lines = (await statement(api, account))["items"]
    assert text((await camt(api, account, to=lines[0]["created_at"])).findall("c:Ntry", NS)[0], "Amt") == "9999999999999999.94"
    refused = await fetch(api, account, "application/xml")
    assert (refused.status_code, refused.json()["code"]) == (406, "not_acceptable")
    assert "18 digits" in refused.json()["detail"]


@pytest.mark.parametrize(("accept", "ending"), [("text/csv", "csv"), ("application/xml", "xml"), ("application/pdf", "pdf")])
async def test_a_file_is_saved_under_a_name_with_its_days(api: httpx.AsyncClient, accept: str, ending: str) -> None:
    name, account, _ = await busy(api)
    whole = await fetch(api, account, accept, from_="2026-01-01T00:00:00Z", to="2026-02-01T00:00:00Z")
    assert whole.headers["content-disposition"] == f'attachment; filename="statement-{name}-USD-wallet-2026-01-01-to-2026-01-31.{ending}"'
    empty = await fetch(api, account, accept, from_="2026-01-05T09:00:00Z", to="2026-01-05T09:00:00Z")
    assert f"-2026-01-05-to-2026-01-05.{ending}" in empty.headers["content-disposition"]


@pytest.mark.parametrize("accept", ["application/json", "text/csv", "application/xml", "application/pdf"])
@pytest.mark.parametrize("parameter", ["type", "format", "kind"])
async def test_a_parameter_that_a_statement_does_not_have_is_refused(api: httpx.AsyncClient, accept: str, parameter: str) -> None:
    _, account, _ = await busy(api)
    response = await fetch(api, account, accept, **{parameter: "fee"})
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert (error["field"], error["code"]) == (parameter, "unknown_field")
