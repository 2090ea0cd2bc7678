"""What the OpenAPI document says of credentials is what the routes do."""

from __future__ import annotations

import re

import httpx

from tests.api.test_authorization import ROUTES


async def test_every_call_names_its_scope_and_its_refusals(api: httpx.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    assert set(document["components"]["securitySchemes"]) == {"bearer", "apiKey", "session"}
    scopes = {(route.method, re.sub(r"{\w+}", "{}", route.path)): route.scope for route in ROUTES}
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            scope = scopes.get((method.upper(), re.sub(r"{\w+}", "{}", path)))
            if call["security"] == []:
                assert scope is None
                continue
            assert {"401", "403", "429"} <= set(call["responses"]), (method, path)
            if scope is not None:
                assert f"`{scope.value}`" in call["description"]


async def test_what_needs_no_credential_says_so(api: httpx.AsyncClient) -> None:
    paths = (await api.get("/openapi.json")).json()["paths"]
    public = {path for path, calls in paths.items() for call in calls.values() if call["security"] == []}
    assert public == {"/healthz", "/readyz", "/auth/token", "/auth/token/refresh", "/.well-known/jwks.json"}
