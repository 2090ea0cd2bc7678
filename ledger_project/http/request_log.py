"""The log lines of pages: method and path, without what a link keeps secret."""

from __future__ import annotations

import re

from django.http import HttpRequest
from django_structlog.middlewares import RequestMiddleware

_SECRETS = re.compile(r"^(/app/(?:activate|password/reset/key)/)[^/]+")
"""Paths of mailed links. Whoever reads the log must not be able to follow one."""


class PageLogMiddleware(RequestMiddleware):
    """Logs the start and the end of each request for a page. The query is in no line."""

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        """Return what the lines show of a request."""
        path = _SECRETS.sub(r"\1…", request.path)
        return f"{request.method} {path}"
