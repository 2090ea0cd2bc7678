"""The few pages that belong to no app: the one at ``/``, and the one for a path that leads nowhere.

They have no script, need no session, and take their style from a file of our own.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import Resolver404, get_script_prefix, resolve

from ledger_project.http.negotiation import negotiate
from ledger_project.http.problems import note_code
from ledger_project.http.responses import JSON
from ledger_project.http.route_hints import nearest_path
from ledger_project.http.schema import extend_schema
from ledger_project.http.views import ApiView
from ledger_project.kernel.errors import NotAcceptable, RouteNotFound

HTML = "text/html"

_SECURITY = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def _page(template: str, context: Mapping[str, object], *, status: int = 200) -> HttpResponse:
    content = render_to_string(f"ledger_project/{template}", context)
    return HttpResponse(content, status=status, headers={"Content-Security-Policy": _SECURITY})


def prefers_html(request: HttpRequest) -> bool:
    """Whether a caller wants a page rather than JSON, as browsers do. Without a word it is JSON."""
    try:
        return negotiate(request.META.get("HTTP_ACCEPT", ""), (JSON, HTML))[0] == HTML
    except NotAcceptable:
        return False


def not_found_page(request: HttpRequest) -> HttpResponse:
    """Return the page for a path that leads nowhere. It names the nearest path, if there is one."""
    note_code(request, RouteNotFound.code)
    context = {"title": RouteNotFound.title, "nearest": nearest_path(request.path_info), "home": get_script_prefix()}
    return _page("not_found.html", context, status=404)


@cache
def _has_portal() -> bool:
    try:
        resolve("/app/")
    except Resolver404:
        return False
    return True


class LandingView(ApiView):
    """The page at ``/``: where everything is."""

    is_public = True
    offers = {"GET": (HTML, JSON)}

    @extend_schema(exclude=True)
    async def get(self, request: HttpRequest) -> HttpResponse:
        """Return it.

        Raises ``RouteNotFound`` for a caller that prefers JSON: the API has nothing at ``/``.
        """
        if self.accepted[0] == JSON:
            raise RouteNotFound(request.path)
        return _page("landing.html", {"has_portal": _has_portal(), "is_open": settings.LEDGER_AUTH == "open", "home": get_script_prefix()})
