"""Values of a request that no page can use: refused as the caller's mistake, wherever in the admin they stand.

Each page reads its own parameters strictly. This is for what all have in common (a NUL, which PostgreSQL stores in no text), and for the
pages that come with Django and others, which look up what they are given and let the error through.
"""

from __future__ import annotations

import structlog
from django.core.exceptions import BadRequest, FieldDoesNotExist, ObjectDoesNotExist, ValidationError
from django.db import DataError
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from ledger_project.http.fallbacks import bad_request, not_found

log = structlog.get_logger(__name__)


class UnusableValuesMiddleware(MiddlewareMixin):
    """Answers 400 for a NUL in path, query or cookies, and 400 or 404 where a view could not do anything with a value."""

    def process_request(self, request: HttpRequest) -> HttpResponseBase | None:
        """Refuse what no column, file or header can hold. Forms say it themselves, beside the field."""
        texts = [request.path, *request.COOKIES.values(), *request.GET, *(text for _, values in request.GET.lists() for text in values)]
        if any("\x00" in text for text in texts):
            return bad_request(request, BadRequest("A NUL is no character of a text."))
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """Answer for a value that a view looked up and that cannot be: it is logged, since the view should have said so itself."""
        if isinstance(exception, ObjectDoesNotExist):
            log.warning("admin.nothing_found", path=request.path)
            return not_found(request, Http404())
        if isinstance(exception, (ValidationError, FieldDoesNotExist, DataError)):
            log.warning("admin.unusable_value", path=request.path, error=type(exception).__name__, exc_info=exception)
            return bad_request(request, BadRequest("A value cannot be used."))
        return None
