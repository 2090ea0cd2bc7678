"""The contract as the service itself tells it."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import httpx
import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from openapi_spec_validator import OpenAPIV31SpecValidator

from ledger_project.http.documentation import schema_bytes
from ledger_project.http.problems import STATUS
from ledger_project.kernel.happenings import EventType
from tests.environment import ROOT


async def test_the_document_is_openapi_3_1_and_its_making_raises_no_warning(
    api: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    schema_bytes.cache_clear()
    GENERATOR_STATS.reset()
    response = await api.get("/openapi.json")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    OpenAPIV31SpecValidator(response.json()).validate()
    assert "Warning" not in capsys.readouterr().err


async def test_every_call_has_a_summary_and_says_how_it_fails(api: httpx.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    codes: set[str] = set()
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            assert call["summary"], (method, path)
            for status, answer in call["responses"].items():
                found = re.findall(r"`(\w+)`", answer["description"]) if int(status) >= 400 else []
                assert all(STATUS[code] == int(status) for code in found)
                codes |= set(found)
    assert set(STATUS) - codes <= {
        "bad_request", "not_found", "method_not_allowed", "not_authenticated", "invalid_token", "permission_denied", "rate_limited",
        "request_timeout", "too_many_connections",
    }  # fmt: skip


async def test_amounts_are_a_string_or_an_integer_in_the_document_too(api: httpx.AsyncClient) -> None:
    schemas = (await api.get("/openapi.json")).json()["components"]["schemas"]
    transfer = next(schema["properties"] for name, schema in schemas.items() if name.startswith("TransferBody"))
    assert (transfer["amount"]["type"], transfer["amount_minor"]["type"], transfer["metadata"]["type"]) == ("string", "integer", "object")


async def test_the_page_brings_all_it_needs_from_here(api: httpx.AsyncClient) -> None:
    page = (await api.get("/docs")).text
    links = re.findall(r'(?:href|src)="([^"]+)"', page)
    assert links
    assert all(link.startswith("/static/") for link in links)
    for link in links:
        assert (await api.get(link)).status_code == 200


def test_a_process_that_serves_nothing_makes_the_same_document() -> None:
    program = (
        "import django, sys; django.setup()\n"
        "from ledger_project.http.documentation import schema_bytes\n"
        "sys.stdout.buffer.write(schema_bytes())\n"
    )
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "ledger_project.settings"}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, check=True)
    assert done.stdout == schema_bytes()
    assert done.stderr == b""


async def test_the_document_says_what_webhooks_send_for_each_type_of_event(api: httpx.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    assert set(document["webhooks"]) == {*EventType, "webhook.test"}
    for event_type, calls in document["webhooks"].items():
        call = calls["post"]
        assert {parameter["name"] for parameter in call["parameters"]} == {"webhook-id", "webhook-timestamp", "webhook-signature"}
        body = call["requestBody"]["content"]["application/json"]["schema"]
        parts = body.get("allOf", [body])
        assert {"const": event_type} in [part.get("properties", {}).get("type") for part in parts]
