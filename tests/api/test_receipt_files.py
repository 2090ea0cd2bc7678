"""Receipts for people: the same lines as HTML and as PDF, whatever callers have written."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from html.parser import HTMLParser

import httpx
import pytest
from pypdf import PdfReader

from events.domain.receipts import WITHOUT_RECEIPT
from events.receipts.lines import KIND_WORDS
from tests.api.test_receipts import pair, shown
from tests.support.factories import transfer
from transfers.domain.kinds import TransferKind

FORMS = {"text/html": "text/html; charset=utf-8", "application/pdf": "application/pdf"}
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{number} {0} %s",
    "</td></table></body>",
    "a&b < c > d 'e'",
    "two\nlines",
    "naïve ☃ \u202e desrever \x07 end",
    "日本語 中文 한국어 नमस्ते שלום مرحبا สวัสดี",
    "x" * 500,
]


async def file(api: httpx.AsyncClient, transfer_id: str, account: str, accept: str) -> httpx.Response:
    response = await api.get(f"/transfers/{transfer_id}/receipt", params={"account_id": account}, headers={"Accept": accept})
    assert response.status_code == 200, response.text
    return response


class _Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def text_of(response: httpx.Response) -> str:
    if response.headers["content-type"].startswith("text/html"):
        return "\n".join(_Page(response.text).texts)
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(response.content)).pages)


@pytest.mark.parametrize("form", FORMS)
async def test_it_says_what_the_json_says(api: httpx.AsyncClient, form: str) -> None:
    source, target, from_wallet, to_wallet = await pair(api)
    made = (await transfer(api, source, target, 1234, memo="Rechnung 7", external_reference=f"ref-{source}")).json()
    for account, verb in ((from_wallet, "Paid"), (to_wallet, "Received")):
        found = await shown(api, made["id"], account)
        response = await file(api, made["id"], account, form)
        assert response.headers["content-type"] == FORMS[form]
        text = text_of(response)
        party = found["party"]
        for word in (
            found["number"], source, target, "12.34 USD", "0.12 USD", "12.46 USD", "Rechnung 7", f"ref-{source}", made["id"], verb,
            party["merchant_name"], account, str(party["sequence"]), party["entry_hash"], made["created_at"][:19].replace("T", " "),
        ):  # fmt: skip
            assert word in text.replace("\n", "") or word in text, word
        assert found["signature"].encode() in response.content


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("memo", HOSTILE)
async def test_words_of_callers_are_words(api: httpx.AsyncClient, form: str, memo: str) -> None:
    source, target, from_wallet, _ = await pair(api)
    made = (await transfer(api, source, target, 100, memo=memo)).json()
    response = await file(api, made["id"], from_wallet, form)
    text = text_of(response)
    for word in re.findall(r"[a-zA-Z0-9]{2,30}", memo):
        assert word in text.replace("\n", "")
    if form == "text/html":
        expected = memo.replace("\u202e", "[U+202E]").replace("\x07", "[U+0007]")
        assert expected in _Page(response.text).texts
        assert not {"script", "img"} & set(_Page(response.text).tags)
    else:
        assert ("[U+202E]" in text) == ("\u202e" in memo)


async def test_the_page_may_do_nothing_but_have_its_style(api: httpx.AsyncClient) -> None:
    source, target, from_wallet, _ = await pair(api)
    made = (await transfer(api, source, target, 100)).json()
    response = await file(api, made["id"], from_wallet, "text/html")
    (style,) = re.findall(r"<style>(.*?)</style>", response.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = response.headers["content-security-policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; ")
    assert "unsafe" not in policy
    assert not re.search(r"\b(?:src|href|style|on\w+)=", response.text)
    assert response.headers["cache-control"] == "no-store"


async def test_the_form_is_the_one_that_is_liked_best(api: httpx.AsyncClient) -> None:
    source, target, from_wallet, _ = await pair(api)
    made = (await transfer(api, source, target, 100)).json()
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    for accept, kind in ((browser, "text/html; charset=utf-8"), ("*/*", "application/json"), ("application/*", "application/json"),
                         ("application/pdf, */*;q=0.1", "application/pdf")):  # fmt: skip
        assert (await file(api, made["id"], from_wallet, accept)).headers["content-type"] == kind
    refused = await api.get(f"/transfers/{made['id']}/receipt", params={"account_id": from_wallet}, headers={"Accept": "image/png"})
    assert (refused.status_code, refused.json()["acceptable"]) == (406, ["application/json", "application/pdf", "text/html"])


async def test_the_same_receipt_is_the_same_file(api: httpx.AsyncClient) -> None:
    source, target, from_wallet, _ = await pair(api)
    made = (await transfer(api, source, target, 100, metadata={"long": "y" * 15_000})).json()
    for form in FORMS:
        first = (await file(api, made["id"], from_wallet, form)).content
        assert (await file(api, made["id"], from_wallet, form)).content == first
        assert (await shown(api, made["id"], from_wallet))["signature"].encode() in first


def test_there_are_words_for_every_kind_with_receipts() -> None:
    assert {kind.value for kind in TransferKind} - WITHOUT_RECEIPT == set(KIND_WORDS)
