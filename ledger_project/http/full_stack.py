"""Django's own handlers, for the admin and static files. What they cannot parse of a request is the caller's mistake: 400, not 500."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

import structlog
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.exceptions import SuspiciousFileOperation
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.http.response import HttpResponseBase

log = structlog.get_logger(__name__)


class _Refusing(ASGIHandler):
    """Answers 400 where Django lets an error of its parser through, as for a Content-Type in an encoding that does not exist."""

    def create_request(self, scope: Mapping[str, Any], body_file: IO[bytes]) -> tuple[ASGIRequest, None] | tuple[None, HttpResponseBase]:
        """Return a request, or the answer to what is none."""
        try:
            return super().create_request(scope, body_file)
        except ValueError:
            log.warning("request.malformed", path=scope["path"])
            return None, HttpResponseBadRequest()


class _Static(_Refusing, ASGIStaticFilesHandler):  # type: ignore[misc]  # both derive from ASGIHandler; Django's mixin loads nothing
    """Static files, and all else by the handler that it is given."""

    def serve(self, request: HttpRequest) -> HttpResponse | FileResponse:
        """Return a file. What is outside of the folders of static files is not there."""
        try:
            return super().serve(request)
        except SuspiciousFileOperation:
            raise Http404 from None


def full_stack() -> ASGIHandler:
    """Return the handler of what goes through all of Django's middleware, and of static files."""
    return _Static(_Refusing())
