"""The page at ``/``, and the answers for paths that lead nowhere: as pages for browsers, as problem documents for programs."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from ledger_project.http.html_pages import prefers_html

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", "Host": "localhost"}
PROGRAM = {"Accept": "application/json", "Host": "localhost"}


def links(page: str) -> set[str]:
    return set(re.findall(r'<a href="([^"]+)"', page))


async def test_the_first_page_leads_to_everything_and_every_link_of_it_works(api: httpx.AsyncClient) -> None:
    for headers in (BROWSER, {"Accept": "*/*"}, {}):
        response = await api.get("/", headers=headers)
        assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert {"/admin/", "/docs", "/readyz"} <= links(response.text)
    for link in links(response.text) | set(re.findall(r'<link [^>]*href="([^"]+)"', response.text)):
        assert (await api.get(link, headers=BROWSER)).status_code in {200, 302}, link
    assert "<script" not in response.text
    assert "style=" not in response.text
    assert response.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self';")
    assert response.headers["x-frame-options"] == "DENY"


async def test_the_first_page_says_open_mode_where_there_is_one(api: httpx.AsyncClient, settings: Any) -> None:
    assert "open mode" in (await api.get("/", headers=BROWSER)).text
    settings.LEDGER_AUTH = "required"
    assert "open mode" not in (await api.get("/", headers=BROWSER)).text


async def test_for_a_program_there_is_nothing_at_the_first_page(api: httpx.AsyncClient) -> None:
    response = await api.get("/", headers=PROGRAM)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert (await api.get("/", headers={"Accept": "text/csv"})).status_code == 406
    assert (await api.post("/", json={})).status_code == 405


@pytest.mark.parametrize(
    ("path", "nearest"),
    [("/transfer", "/transfers"), ("/merchant/carol", "/merchants/carol"), ("/static/../transfer", None), ("/admn", "/admin/")],
)
async def test_a_path_that_leads_nowhere_names_the_nearest(api: httpx.AsyncClient, path: str, nearest: str | None) -> None:
    program = await api.get(path, headers=PROGRAM)
    assert (program.status_code, program.headers["content-type"]) == (404, "application/problem+json")
    assert f"Did you mean {nearest}?" in program.json()["detail"] or nearest is None
    browser = await api.get(path, headers=BROWSER)
    assert (browser.status_code, browser.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert (nearest in links(browser.text)) or nearest is None
    assert browser.headers["x-request-id"]


async def test_a_path_is_not_repeated_as_html(api: httpx.AsyncClient) -> None:
    for path in ("/<script>alert(1)</script>", "/merchant/<b>x", "/transfer/%22onmouseover=x", "/" + "y" * 5000):
        page = (await api.get(path, headers=BROWSER)).text
        for part in ("alert", "<b>", "onmouseover", "yyyy"):
            assert part not in page, path
    detail = (await api.get("/" + "y" * 5000)).json()["detail"]
    assert len(detail) < 250


async def test_a_page_of_the_admin_that_is_not_there_is_a_page(api: httpx.AsyncClient) -> None:
    for headers in (BROWSER, PROGRAM):
        response = await api.get("/administration", headers=headers)
        assert (response.status_code, response.headers["content-type"]) == (404, "text/html; charset=utf-8")


async def test_the_admin_without_its_slash_leads_to_it(api: httpx.AsyncClient) -> None:
    response = await api.get("/admin?a=1", headers=BROWSER)
    assert (response.status_code, response.headers["location"]) == (302, "/admin/?a=1")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", False),
        ("*/*", False),
        ("text/html", True),
        (BROWSER["Accept"], True),
        ("application/json, text/html;q=0.9", False),
        ("text/csv", False),
    ],
)
def test_a_page_is_for_those_who_prefer_one(rf: Any, accept: str, expected: bool) -> None:
    assert prefers_html(rf.get("/", headers={"Accept": accept})) is expected
