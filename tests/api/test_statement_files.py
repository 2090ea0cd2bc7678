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

from ledger_project.kernel.money import Currency
from ledger_project.readers import in_reader
from merchants.models import Account
from merchants.selectors import identify
from tests.api.test_statements import busy, signed, statement
from tests.factories import key, merchant, transfer, wallet
from transfers.domain.commands import Deposit, Details
from transfers.selectors.statements import get_period
from transfers.services.posting_now import post_now
from transfers.views.statement_files import csv_response

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
    deposit = Deposit(found, Currency("JPY", 0), 1, Details(memo="m" * 100))
    for _ in range(lines // 1000):
        await in_reader(post_now, [deposit] * 1000)
    return await in_reader(Account.objects.select_related("merchant").get, id=UUID(await wallet(api, name, "JPY")))


async def _peak_of_stream(account: Account) -> tuple[int, int, int]:
    """Return the lines, the chunks and the peak of memory (bytes) of streaming an account as CSV."""
    response = csv_response(await in_reader(get_period, account, start=None, end=None))
    lines = chunks = 0
    tracemalloc.start()
    async for chunk in response:  # type: ignore[attr-defined]
        chunks += 1
        lines += chunk.count(b"\r\n")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return lines - 1, chunks, peak


async def test_a_long_account_streams_in_the_memory_of_a_short_one(api: httpx.AsyncClient) -> None:
    short, long = await long_account(api, 2000), await long_account(api, 20_000)
    await _peak_of_stream(short)  # whatever is loaded once is loaded now
    lines, chunks, peak = await _peak_of_stream(short)
    assert (lines, chunks) == (2000, 3)
    long_lines, long_chunks, long_peak = await _peak_of_stream(long)
    assert (long_lines, long_chunks) == (20_000, 21)
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
        ("image/png", "application/json"),
        ("text/csv;q=0", "application/json"),
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
        (int(text(e, "NtryRef")), text(e, "Amt"), text(e, "CdtDbtInd"), text(e, "BookgDt/DtTm"), text(e, "AcctSvcrRef"), text(e, "BkTxCd/Prtry/Cd"))
        for e in entries
    ] == [
        (
            line["sequence"], line["amount"], {"CREDIT": "CRDT", "DEBIT": "DBIT"}[line["direction"]], line["created_at"],
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


async def test_each_camt_document_has_an_id_of_its_own(api: httpx.AsyncClient) -> None:
    _, account, _ = await busy(api)
    ids = [text(await camt(api, account), "Id") for _ in range(3)]
    assert len(set(ids)) == 3


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
    assert (response.status_code, response.json()["code"]) == (422, "validation_error")
    (error,) = response.json()["errors"]
    assert (error["field"], error["code"]) == ("Accept", "not_representable")
    assert why in error["detail"]
    assert len(await csv_lines(api, account)) == 1


async def test_an_amount_that_camt_cannot_hold_is_refused_where_it_is_in_the_period(api: httpx.AsyncClient) -> None:
    account = await wallet(api, await merchant(api, "0"))
    for amount in (5, 10**18 - 6, 1):
        await api.post(f"/accounts/{account}/deposit", json={"amount_minor": amount}, headers=key())
    lines = (await statement(api, account))["items"]
    assert text((await camt(api, account, to=lines[0]["created_at"])).findall("c:Ntry", NS)[0], "Amt") == "9999999999999999.94"
    refused = await fetch(api, account, "application/xml")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "not_representable")
