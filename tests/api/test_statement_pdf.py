"""A statement as PDF: for people, whole, and of a length that people read."""

from __future__ import annotations

import io

import httpx
import pytest
from pypdf import PdfReader

from tests.api.test_statement_files import MEMOS, fetch, with_memos
from tests.api.test_statements import busy, statement
from tests.support.factories import merchant, wallet
from transfers.statements import pdf


def text_of(content: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)


async def test_it_has_every_line_with_amount_and_balance(api: httpx.AsyncClient) -> None:
    name, account, other = await busy(api)
    response = await fetch(api, account, "application/pdf")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/pdf")
    shown = text_of(response.content)
    assert name in shown
    assert account in shown
    assert other in shown
    for line in (await statement(api, account))["items"]:
        assert line["amount"] in shown
        assert line["balance_after"] in shown
        assert line["created_at"][:19].replace("T", " ") in shown


async def test_a_period_has_its_own_ends(api: httpx.AsyncClient) -> None:
    _, account, _ = await busy(api)
    lines = (await statement(api, account))["items"]
    bounds = {"from_": lines[8]["created_at"], "to": lines[2]["created_at"]}
    page = await statement(api, account, **bounds)
    shown = text_of((await fetch(api, account, "application/pdf", **bounds)).content)
    assert f"{page['opening_balance']} USD" in shown
    assert f"{page['closing_balance']} USD" in shown
    assert lines[0]["transfer_id"] not in shown


async def test_words_of_callers_show_whatever_they_are(api: httpx.AsyncClient) -> None:
    account = await with_memos(api, [*MEMOS, "日本語", "مرحبا", "y" * 500])
    response = await fetch(api, account, "application/pdf")
    assert response.status_code == 200
    shown = text_of(response.content).replace("\n", "")
    assert "[U+202E]" in shown
    assert "日本語" in shown
    assert "…" in shown


async def test_an_account_without_lines_has_a_statement(api: httpx.AsyncClient) -> None:
    account = await wallet(api, await merchant(api, "0"))
    assert "0.00 USD" in text_of((await fetch(api, account, "application/pdf")).content)


async def test_a_period_that_is_too_long_comes_in_the_next_form_or_is_refused(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, account, _ = await busy(api)
    monkeypatch.setattr(pdf, "MOST_LINES", 11)
    refused = await fetch(api, account, "application/pdf")
    assert (refused.status_code, refused.json()["code"]) == (406, "not_acceptable")
    assert "PDF holds 11 lines at most, and this period has 12" in refused.json()["detail"]
    other = await fetch(api, account, "application/pdf, text/csv;q=0.5")
    assert other.headers["content-type"] == "text/csv; charset=utf-8"
    monkeypatch.setattr(pdf, "MOST_LINES", 12)
    assert (await fetch(api, account, "application/pdf")).status_code == 200
