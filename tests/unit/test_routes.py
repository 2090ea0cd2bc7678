"""The table of routes says what Django's resolver says."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
from django.urls import Resolver404, ResolverMatch, get_resolver

from ledger_project.http.routes import Routes

WORDS = (
    "merchants",
    "transfers",
    "accounts",
    "holds",
    "auth",
    "errors",
    "admin",
    "quote",
    "batch",
    "balance",
    "statement",
    "token",
    "x",
    "",
)
PATHS = ["/" + "/".join(parts) for length in (1, 2, 3) for parts in product(WORDS, repeat=length)]
ODD = (
    "",
    "/",
    "//",
    "/merchants/",
    "/merchants//balance",
    "/merchants/a\nb/balance",
    "/merchants/ü/balance",
    "/transfers/a/b/c",
    "merchants",
)


def found(resolve: Callable[[str], ResolverMatch], path: str) -> object:
    """What a resolver says about a path."""
    try:
        match = resolve(path)
    except Resolver404:
        return None
    return match.func, match.args, match.kwargs, match.route, match.url_name


@pytest.mark.parametrize("order", [1, -1])
def test_every_path_has_the_route_that_django_finds(order: int) -> None:
    routes = Routes()
    for path in [*PATHS, *ODD][::order] * 2:
        assert found(routes.resolve, path) == found(get_resolver().resolve, path), path
