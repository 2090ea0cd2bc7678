"""The error answers of Django's full stack: problem details for the API, Django's pages for the
admin.
"""

from __future__ import annotations

import sys

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.html import escape
from django.views import defaults

from ledger_project.http.problems import error_headers, exception_response, to_ledger_error
from ledger_project.kernel.errors import Unavailable


def _is_admin(request: HttpRequest) -> bool:
    return request.path.startswith("/admin")


def _problem(exception: Exception, request: HttpRequest) -> HttpResponse:
    """Return a problem document as the response that Django's middleware works on."""
    found = exception_response(exception, request)
    return HttpResponse(found.content, status=found.status_code, headers=dict(found.items()))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """400."""
    return defaults.bad_request(request, exception) if _is_admin(request) else _problem(exception, request)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """403."""
    return defaults.permission_denied(request, exception) if _is_admin(request) else _problem(exception, request)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """404."""
    return defaults.page_not_found(request, exception) if _is_admin(request) else _problem(Http404(), request)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """500; 503 if the database is not available."""
    error = sys.exc_info()[1]
    if not _is_admin(request):
        return _problem(error if isinstance(error, Exception) else RuntimeError("unknown"), request)
    known = None if error is None else to_ledger_error(error, request)
    if not isinstance(known, Unavailable):
        return defaults.server_error(request)
    details = f"{escape(str(known))} Look at what is there now before you repeat anything."
    page = defaults.ERROR_PAGE_TEMPLATE % {"title": "Not now (503)", "details": details}
    return HttpResponse(page, status=503, headers=error_headers(known))
