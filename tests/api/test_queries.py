"""Query parameters: each call knows those that its view declares, refuses all others, and tells the document of them.

Every test here walks all routes, so a view that is added without a declaration, or reads past it, fails.
"""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from rest_framework import serializers

from ledger_project.http.fields import QueryBoolean, Timestamp
from ledger_project.http.validation import NoQuery
from ledger_project.http.views import ApiView
from tests.support.api_routes import ApiRoute, all_patterns, api_routes
from tests.support.factories import balance_minor, key, merchant, wallet

ROUTES = api_routes()
DECLARED = [route for route in ROUTES if route.method in route.view.queries]


def names(route: ApiRoute) -> set[str]:
    return set(route.view.queries.get(route.method, NoQuery)().fields)


async def errors(api: httpx.AsyncClient, route: ApiRoute, query: str) -> set[tuple[str, str]]:
    """Return what the call says is wrong with a query: fields and codes."""
    content: dict[str, Any] = {"json": {}, "headers": key()} if route.method not in {"GET", "HEAD"} else {}
    response = await api.request(route.method, f"{route.filled()}?{query}", **content)
    assert response.status_code == 422, (route, query, response.status_code, response.text)
    if route.method == "HEAD":
        return set()
    assert response.json()["code"] == "validation_error"
    return {(error["field"], error["code"]) for error in response.json()["errors"]}


def test_every_path_outside_of_the_admin_is_walked() -> None:
    assert [path for path, view in all_patterns() if view is None or not issubclass(view, ApiView)] == []
    assert {("GET", "/healthz"), ("POST", "/transfers"), ("POST", "/auth/token"), ("GET", "/metrics"), ("GET", "/docs")} <= {
        (route.method, route.path) for route in ROUTES
    }
    assert len({route.path for route in DECLARED}) >= 6


async def test_a_parameter_that_a_call_does_not_know_is_refused_on_every_route(api: httpx.AsyncClient) -> None:
    for route in ROUTES:
        for unknown in ("form", "as_of", "page", "dry_run", "from ", "Limit", "limit[]", "idempotency_key"):
            query = httpx.QueryParams({unknown: "1"})
            expected = set() if route.method == "HEAD" else {(unknown, "unknown_field")}
            assert await errors(api, route, str(query)) == expected
        assert await errors(api, route, "nobody&=&knows=1") == (
            set() if route.method == "HEAD" else {("nobody", "unknown_field"), ("", "unknown_field"), ("knows", "unknown_field")}
        )


async def test_a_parameter_that_comes_twice_is_refused_on_every_route(api: httpx.AsyncClient) -> None:
    for route in ROUTES:
        for name in names(route) or {"x"}:
            for query in (f"{name}=1&{name}=1", f"{name}&{name}=2", f"%{ord(name[0]):x}{name[1:]}=&{name}="):
                assert route.method == "HEAD" or (name, "repeated") in await errors(api, route, query)


async def test_what_is_no_text_is_refused_on_every_route(api: httpx.AsyncClient) -> None:
    for route in ROUTES:
        for name in names(route) or {"x"}:
            for value in ("%", "%zz", "%ff", "%ED%A0%80", "%C0%80", "100%", "%e", "%F4%90%80%80"):
                assert route.method == "HEAD" or (name, "invalid") in await errors(api, route, f"{name}={value}")


async def test_the_document_has_the_parameters_that_are_declared_and_no_others(api: httpx.AsyncClient) -> None:
    paths = (await api.get("/openapi.json")).json()["paths"]
    shown = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path)): {
            parameter["name"] for parameter in call.get("parameters", []) if parameter["in"] == "query"
        }
        for path, calls in paths.items()
        for method, call in calls.items()
    }
    assert {place: found for place, found in shown.items() if found} == {(route.method, route.path): names(route) for route in DECLARED}
    for calls in paths.values():
        for call in calls.values():
            assert "`validation_error`" in call["responses"]["422"]["description"]
            assert "`not_acceptable`" in call["responses"]["406"]["description"]


@pytest.mark.parametrize("value", ["nonsense", "", "OPEN", "True", "1", "open,closed", " open"])
async def test_an_unknown_word_of_an_enumeration_is_refused(api: httpx.AsyncClient, value: str) -> None:
    walked = set()
    for route in DECLARED:
        for name, field in route.view.queries[route.method]().fields.items():
            if isinstance(field, serializers.ChoiceField | QueryBoolean):
                walked.add((route.path, name))
                found = await errors(api, route, str(httpx.QueryParams({name: value})))
                assert {field for field, _ in found} == {name}
    assert walked >= {("/merchants", "status"), ("/holds", "status"), ("/transfers", "kind"), ("/accounts/{}/statement", "spreadsheet")}


async def test_a_period_that_begins_after_its_end_is_refused(api: httpx.AsyncClient) -> None:
    walked = set()
    for route in DECLARED:
        fields = route.view.queries[route.method]().fields
        for end in fields:
            start = f"{end[:-2]}from"
            if not (end.endswith("to") and isinstance(fields[end], Timestamp | serializers.DateField)):
                continue
            walked.add((route.path, start))
            early, late = ("2026-01-01", "2026-01-02")
            if isinstance(fields[end], Timestamp):
                # Later by its text, earlier as a moment.
                late, early = "2026-01-01T00:00:00Z", "2026-01-01T10:00:00+10:01"
            assert await errors(api, route, str(httpx.QueryParams({start: late, end: early}))) == {(start, "after_end")}
    assert walked == {("/accounts/{}/statement", "from"), ("/transfers", "created_from"), ("/operations/summary", "from")}


async def test_an_empty_period_is_a_period(api: httpx.AsyncClient) -> None:
    account = await wallet(api, await merchant(api, "1"))
    moment = "2026-01-01T00:00:00Z"
    page = await api.get(f"/accounts/{account}/statement", params={"from": moment, "to": moment})
    assert (page.status_code, page.json()["opening_balance"], page.json()["closing_balance"]) == (200, "0.00", "0.00")
    assert (await api.get("/transfers", params={"created_from": moment, "created_to": moment})).json()["items"] == []


async def test_money_does_not_move_and_the_key_stays_free_when_the_query_is_wrong(api: httpx.AsyncClient) -> None:
    source, target, headers = await merchant(api, "10"), await merchant(api), key()
    body = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount": "1.00"}
    assert (await api.post("/transfers", params={"dry_run": "true"}, json=body, headers=headers)).status_code == 422
    assert await balance_minor(api, source) == 1000
    response = await api.post("/transfers", json=body, headers=headers)
    assert (response.status_code, response.headers.get("idempotent-replayed")) == (201, None)


async def test_everything_that_is_wrong_is_said_at_once_and_bounded(api: httpx.AsyncClient) -> None:
    route = next(route for route in DECLARED if route.path == "/transfers")
    assert await errors(api, route, "limit=0&kind=x&created_from=y&nobody=1&currency=a&currency=b") == {
        ("limit", "invalid"), ("kind", "invalid_choice"), ("created_from", "invalid"), ("nobody", "unknown_field"), ("currency", "repeated"),
    }  # fmt: skip
    many = "&".join(f"{'p' * 50}{i}=%" if i % 2 else f"{'q' * 200}{i}" for i in range(400))
    assert len((await api.get(f"/transfers?{many}")).content) < 20_000
    body = {"q" * 1000 + str(i): 1 for i in range(400)}
    assert len((await api.post("/transfers/quote", json=body)).content) < 20_000


async def test_a_stranger_is_turned_away_before_the_query_is_read(api: httpx.AsyncClient, settings: Any) -> None:
    settings.LEDGER_AUTH = "required"
    for route in ROUTES:
        response = await api.request(route.method, f"{route.filled()}?nobody=1", headers={"Accept": "image/png"})
        assert response.status_code in ({406, 422} if route.view.scope_of(route.method) is None else {401}), route
