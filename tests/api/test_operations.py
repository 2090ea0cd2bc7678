"""``GET /operations/summary``: operators see figures of one currency, nobody else sees any."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Permission
from django.test import Client

from ledger_project.database.readers import in_reader
from people.models import User
from tests.services.test_rollups import settle
from tests.support.factories import key, merchant, transfer, unique


def login(*, is_staff: bool = True, permission: str | None = "view_transfer") -> dict[str, str]:
    user = User.objects.create_user(unique("op"), is_staff=is_staff)
    if permission:
        user.user_permissions.set(Permission.objects.filter(codename=permission))
    client = Client()
    client.force_login(user)
    return cookie_of(client)


def cookie_of(client: Client) -> dict[str, str]:
    return {"Cookie": f"{django_settings.SESSION_COOKIE_NAME}={client.cookies[django_settings.SESSION_COOKIE_NAME].value}"}


async def summary(api: httpx.AsyncClient, **query: str) -> dict[str, Any]:
    await in_reader(settle)
    response = await api.get("/operations/summary", params=query, headers=await in_reader(login))
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def of_kind(found: dict[str, Any], kind: str) -> dict[str, Any]:
    return next((row for row in found["kinds"] if row["kind"] == kind), {"count": 0, "volume_minor": 0, "fees_minor": 0})


async def test_it_shows_what_was_posted_refused_and_earned(api: httpx.AsyncClient) -> None:
    before = await summary(api, currency="NOK")
    source, target = await merchant(api, "1000.00", "NOK"), await merchant(api)
    assert (await transfer(api, source, target, 5000, currency="NOK")).status_code == 201
    assert (await transfer(api, target, source, 999_999, currency="NOK")).status_code == 409
    hold = {"from_merchant": source, "to_merchant": target, "currency": "NOK", "amount_minor": 700}
    assert (await api.post("/holds", json=hold, headers=key())).status_code == 201
    after = await summary(api, currency="NOK")
    assert of_kind(after, "transfer")["count"] - of_kind(before, "transfer")["count"] == 1
    assert of_kind(after, "transfer")["volume_minor"] - of_kind(before, "transfer")["volume_minor"] == 5000
    assert after["fee_income_minor"] - before["fee_income_minor"] == 50
    assert after["value_minor"] - before["value_minor"] == 100_000 - 50
    assert after["held_minor"] - before["held_minor"] == 707
    assert after["open_holds"]["count"] - before["open_holds"]["count"] == 1
    assert {"code": "insufficient_funds", "currency": "NOK", "count": 1} in after["refusals"]
    assert {source, target} <= {row["merchant_name"] for row in after["top_merchants"]}
    today = after["days"][-1]
    assert today["day"] == datetime.now(UTC).date().isoformat()
    assert today["value_minor"] == after["value_minor"] + after["treasury_minor"]
    assert (len(after["days"]), after["currency"]) == (30, "NOK")
    assert after["reconciliation"] is None or after["reconciliation"]["verdict"] in {"clean", "damaged"}


async def test_a_period_counts_only_its_own_days(api: httpx.AsyncClient) -> None:
    await merchant(api, "1000.00", "NOK")
    found = await summary(api, currency="NOK", **{"from": "2001-01-01", "to": "2001-01-31"})
    assert (found["kinds"], found["value_minor"], len(found["days"])) == ([], 0, 31)


async def test_without_a_currency_it_is_the_busiest(api: httpx.AsyncClient) -> None:
    await merchant(api, "1.00")
    assert (await summary(api))["currency"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"from": "yesterday"}, "validation_error"),
        ({"from": "2026-02-01", "to": "2026-01-01"}, "validation_error"),
        ({"from": "2020-01-01", "to": "2026-01-01"}, "validation_error"),
        ({"currency": "NOPE"}, "unknown_currency"),
    ],
)
async def test_wrong_questions_are_told_what_is_wrong(api: httpx.AsyncClient, query: dict[str, str], code: str) -> None:
    response = await api.get("/operations/summary", params=query, headers=await in_reader(login))
    assert (response.status_code, response.json()["code"]) == (422, code)
    assert response.headers["content-type"].startswith("application/problem+json")


async def test_nobody_else_sees_it(api: httpx.AsyncClient, settings: Any) -> None:
    settings.LEDGER_AUTH = "required"
    for headers in ({}, {"Cookie": f"{settings.SESSION_COOKIE_NAME}=made-up"}):
        response = await api.get("/operations/summary", headers=headers)
        assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")
    for who in ({"is_staff": False}, {"permission": None}):
        headers = await in_reader(login, **who)
        response = await api.get("/operations/summary", headers=headers)
        assert (response.status_code, response.json()["code"]) == (403, "permission_denied")


async def test_it_is_in_the_published_contract(api: httpx.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    operation = document["paths"]["/operations/summary"]["get"]
    assert {p["name"] for p in operation["parameters"]} == {"currency", "from", "to"}
