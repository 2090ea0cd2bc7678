"""Every error that the API can answer is explained: in docs/errors.md, and by the service itself."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from ledger_project.http.error_catalogue import REMEDIES, error_cases, error_classes
from ledger_project.http.problems import STATUS
from tests.examples.error_document import FILE, text

OPERATORS_ONLY = {
    "version_exists",
    "nothing_to_change",
    "form_carried_out",
    "key_refused",
    "deposit_request_refused",
    "reconciliation_refused",
}
"""Codes that pages and commands tell in words; no call of the API answers them."""


def test_every_error_has_a_status_and_something_to_do(api: httpx.AsyncClient) -> None:
    del api  # the application is imported, and with it every error
    assert {error.code for error in error_classes()} - OPERATORS_ONLY == set(STATUS) == set(REMEDIES) == set(error_cases())


def test_the_page_of_errors_is_what_the_code_says() -> None:
    assert FILE.read_text() == text(), "run make docs"


def test_no_error_is_explained_with_empty_words(api: httpx.AsyncClient) -> None:
    del api
    for case in error_cases().values():
        assert case.when.endswith("."), case
        assert case.remedy.endswith("."), case
        assert "\n" not in case.when + case.remedy


async def test_the_service_explains_each_error_to_programs_and_to_people(api: httpx.AsyncClient) -> None:
    for code, case in error_cases().items():
        response = await api.get(f"/errors/{code}")
        assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
        assert response.json() == {
            "code": code, "title": case.title, "status": case.status, "when": case.when, "remedy": case.remedy, "is_kept": case.is_kept,
        }  # fmt: skip
        page = await api.get(f"/errors/{code}", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert f"<code>{case.status} {code}</code>" in page.text
        assert "`" not in page.text
        assert re.findall(r"(?:src|href)=\"([^\"]+)", page.text) == ["/docs"]


async def test_the_type_of_a_problem_leads_to_its_explanation(api: httpx.AsyncClient, settings: Any) -> None:
    settings.LEDGER_ERROR_BASE_URL = "http://testserver/errors/"
    problem = (await api.get("/merchants/nobody-of-this-name")).json()
    assert (await api.get(problem["type"])).json()["title"] == problem["title"]


@pytest.mark.parametrize("code", ["version_exists", "nothing", "Not_Found", "internal_error%00", "internal_error/"])
async def test_a_code_that_no_call_answers_is_not_found(api: httpx.AsyncClient, code: str) -> None:
    response = await api.get(f"/errors/{code}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_an_explanation_in_another_form_is_not_acceptable(api: httpx.AsyncClient) -> None:
    response = await api.get("/errors/not_found", headers={"Accept": "text/csv"})
    assert (response.status_code, response.json()["acceptable"]) == (406, ["application/json", "text/html"])
