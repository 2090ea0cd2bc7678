"""What all answers under ``/app/`` have in common, the pages of sign-in included."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails
from structlog.contextvars import get_contextvars

PREFIX = "/app/"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
"""The Content-Security-Policy of the portal: its own files only, no script or style in a page."""


def request_id() -> str:
    """Return the id under which the logs have the current request."""
    return str(get_contextvars().get("request_id", ""))


def is_by_script(request: HttpRequest) -> bool:
    """Whether htmx sent the request, and shows a part of the answer."""
    return bool(HtmxDetails(request))


class PortalMiddleware(MiddlewareMixin):
    """Gives pages under ``/app/`` their policy and the id of their request, and keeps them out of
    every cache: after a sign-out, *Back* must not show a balance.

    A redirect in answer to a script becomes one of the whole page.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Set the headers."""
        if not request.path.startswith(PREFIX):
            return response
        if is_by_script(request) and response.status_code in _REDIRECTS:
            response = _of_whole_page(response)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers.setdefault("Cache-Control", "no-store, private")
        response.headers.setdefault("X-Request-Id", request_id())
        return response


def _of_whole_page(redirect: HttpResponseBase) -> HttpResponse:
    """Return a redirect for htmx.

    The browser would follow the other kind by itself, and a whole page, such as the sign-in, would
    land inside the page that is shown.
    """
    response = HttpResponseClientRedirect(redirect["Location"])
    response.cookies = redirect.cookies
    return response
