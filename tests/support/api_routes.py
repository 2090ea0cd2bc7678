"""All routes of the API, found where Django finds them, so that a test which walks them cannot forget a new one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.urls import URLPattern, URLResolver, get_resolver

from ledger_project.http.views import ApiView

_PARAMETER = re.compile(r"<[^>]+>")


class ApiRoute(NamedTuple):
    """A method of a path; ``path`` has ``{}`` for each of its parameters."""

    method: str
    path: str
    view: type[ApiView]

    def filled(self, value: str = "x") -> str:
        """Return the path with this for each parameter."""
        return self.path.replace("{}", value)


def all_patterns(patterns: Any = None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every path of the service outside of the admin and the portal, with its view."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        path = prefix + str(pattern.pattern)
        if path in {"admin", "app"} or path.startswith(("admin/", "app/")):
            continue
        if isinstance(pattern, URLResolver):
            yield from all_patterns(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern):
            yield "/" + _PARAMETER.sub("{}", path), getattr(pattern.callback, "view_class", None)


def api_routes() -> list[ApiRoute]:
    """Return every method of every path of the API."""
    return [
        ApiRoute(method, path, view)
        for path, view in all_patterns()
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
        if hasattr(view, method.lower()) and (method != "HEAD" or hasattr(view, "get"))
    ]
