"""Values of a request that no page of the admin can use: they are answered as the caller's mistake.

Each page reads its own parameters strictly. The middleware is for what all pages have in common (a
NUL, which PostgreSQL cannot store in a text) and for pages of Django and of other packages: these
look values up and let the errors through.
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
    """Answers 400 for a NUL in path, query or cookies, and 400 or 404 for a value that a view
    cannot use.
    """

    def process_request(self, request: HttpRequest) -> HttpResponseBase | None:
        """Refuse a NUL outside the body. Forms refuse it themselves, beside the field."""
        texts = [request.path, *request.COOKIES.values(), *request.GET, *(text for _, values in request.GET.lists() for text in values)]
        if any("\x00" in text for text in texts):
            return bad_request(request, BadRequest("A NUL is no character of a text."))
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """Answer for a value that a view could not look up.

        It is logged, since the view should have refused the value itself.
        """
        if isinstance(exception, ObjectDoesNotExist):
            log.warning("admin.nothing_found", path=request.path)
            return not_found(request, Http404())
        if isinstance(exception, (ValidationError, FieldDoesNotExist, DataError)):
            log.warning("admin.unusable_value", path=request.path, error=type(exception).__name__, exc_info=exception)
            return bad_request(request, BadRequest("A value cannot be used."))
        return None
