"""The error answers of Django's full stack: problem details for the API, Django's pages for the
admin, pages of its own for the portal.
"""

from __future__ import annotations

import sys

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.utils.html import escape
from django.views import csrf, defaults
from structlog.contextvars import get_contextvars

from ledger_project.http.html_pages import not_found_page, prefers_html
from ledger_project.http.problems import error_headers, exception_response, to_ledger_error
from ledger_project.kernel.errors import Unavailable


def _is_admin(request: HttpRequest) -> bool:
    return request.path.startswith("/admin")


def _is_portal(request: HttpRequest) -> bool:
    return request.path.startswith("/app/")


def _page(request: HttpRequest, status: int, heading: str, words: str, code: str) -> HttpResponse:
    """Return a page of the portal that says what is wrong.

    It asks the database for nothing where the service itself is at fault.
    """
    values = {"heading": heading, "words": words, "code": code, "request_id": get_contextvars().get("request_id", "")}
    return HttpResponse(render_to_string("portal/problem.html", values, request if status < 500 else None), status=status)


def _problem(exception: Exception, request: HttpRequest) -> HttpResponse:
    """Return a problem document as the response that Django's middleware works on."""
    found = exception_response(exception, request)
    return HttpResponse(found.content, status=found.status_code, headers=dict(found.items()))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """400."""
    if _is_portal(request):
        return _page(request, 400, "This request cannot be read", "A value in it cannot be used.", "bad_request")
    return defaults.bad_request(request, exception) if _is_admin(request) else _problem(exception, request)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """403."""
    if _is_portal(request):
        words = str(exception) or "Your role does not allow this."
        return _page(request, 403, "You may not do this", words, "permission_denied")
    return defaults.permission_denied(request, exception) if _is_admin(request) else _problem(exception, request)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """403, for a form without the token of its session: nothing was done."""
    if not _is_portal(request):
        return csrf.csrf_failure(request, reason)
    words = "It is from before you signed in, or your browser takes no cookies. Nothing was done. Open the page again."
    return _page(request, 403, "This form is of another session", words, "csrf_failed")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """404."""
    del exception
    if _is_portal(request):
        return _page(request, 404, "There is nothing here", "This address leads to nothing that you can see.", "not_found")
    return not_found_page(request) if _is_admin(request) or prefers_html(request) else _problem(Http404(), request)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """500; 503 if the database is not available."""
    error = sys.exc_info()[1]
    if _is_portal(request):
        return _portal_fault(request, error)
    if not _is_admin(request):
        return _problem(error if isinstance(error, Exception) else RuntimeError("unknown"), request)
    known = None if error is None else to_ledger_error(error, request)
    if not isinstance(known, Unavailable):
        return defaults.server_error(request)
    details = f"{escape(str(known))} Look at what is there now before you repeat anything."
    page = defaults.ERROR_PAGE_TEMPLATE % {"title": "Not now (503)", "details": details}
    return HttpResponse(page, status=503, headers=error_headers(known))


def _portal_fault(request: HttpRequest, error: BaseException | None) -> HttpResponse:
    known = None if error is None else to_ledger_error(error, request)
    if not isinstance(known, Unavailable):
        return _page(
            request, 500, "Something went wrong", "The fault is ours, and it was noted. Look at your wallet first.", "internal_error"
        )
    page = _page(request, 503, "Not now", f"{known} Look at your wallet before you repeat anything.", known.code)
    for name, value in error_headers(known).items():
        page[name] = value
    return page
