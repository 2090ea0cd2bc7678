"""What all answers under ``/app/`` have in common, the pages of sign-in included."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin
from structlog.contextvars import get_contextvars

PREFIX = "/app/"

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


class PortalMiddleware(MiddlewareMixin):
    """Gives pages under ``/app/`` their policy and the id of their request, and keeps them out of
    every cache: after a sign-out, *Back* must not show a balance.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Set the headers."""
        if request.path.startswith(PREFIX):
            response.headers.setdefault("Content-Security-Policy", POLICY)
            response.headers.setdefault("Cache-Control", "no-store, private")
            response.headers.setdefault("X-Request-Id", request_id())
        return response
