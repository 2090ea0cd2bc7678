"""Errors as problem details (RFC 9457): the table from code to status, and their only writer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import BadRequest as DjangoBadRequest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions as drf

from ledger_project.database.sqlstates import meaning_of, sqlstate_of
from ledger_project.http.requests import api_request
from ledger_project.http.responses import raw_response
from ledger_project.http.route_hints import nearest_path
from ledger_project.kernel.actors import AccessRefused
from ledger_project.kernel.actors import PermissionDenied as AccessDenied
from ledger_project.kernel.errors import (
    DatabaseUnavailable,
    LedgerError,
    MalformedJson,
    MethodNotAllowed,
    PayloadTooLarge,
    RouteNotFound,
    Unavailable,
    UnsupportedMediaType,
)
from ledger_project.kernel.exact_json import dumps
from ledger_project.kernel.money import Money

log = structlog.get_logger(__name__)

STATUS: Mapping[str, int] = {
    "malformed_json": 400,
    "idempotency_key_missing": 400,
    "idempotency_key_invalid": 400,
    "invalid_cursor": 400,
    "bad_request": 400,
    "not_authenticated": 401,
    "invalid_token": 401,
    "permission_denied": 403,
    "merchant_not_found": 404,
    "account_not_found": 404,
    "transfer_not_found": 404,
    "hold_not_found": 404,
    "event_not_found": 404,
    "webhook_not_found": 404,
    "user_not_found": 404,
    "approval_not_found": 404,
    "not_found": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "request_timeout": 408,
    "insufficient_funds": 409,
    "merchant_exists": 409,
    "account_exists": 409,
    "user_exists": 409,
    "duplicate_external_reference": 409,
    "idempotency_key_reused": 409,
    "idempotency_in_progress": 409,
    "account_frozen": 409,
    "account_closed": 409,
    "account_not_empty": 409,
    "balance_limit_exceeded": 409,
    "currency_inactive": 409,
    "already_reversed": 409,
    "reversal_exceeds_original": 409,
    "not_reversible": 409,
    "hold_not_open": 409,
    "hold_expired": 409,
    "approval_decided": 409,
    "approval_required": 409,
    "capture_exceeds_hold": 409,
    "payload_too_large": 413,
    "unsupported_media_type": 415,
    "validation_error": 422,
    "unknown_currency": 422,
    "currency_mismatch": 422,
    "same_account": 422,
    "fee_not_configured": 422,
    "fee_exceeds_amount": 422,
    "url_not_allowed": 422,
    "rate_limited": 429,
    "internal_error": 500,
    "too_many_connections": 503,
    "database_unavailable": 503,
    "account_busy": 503,
}
"""Every code of the contract and its status."""


class InternalError(LedgerError):
    """The service has a fault. The log has the traceback, the caller gets the request id."""

    code = "internal_error"
    title = "Internal error"

    def __init__(self) -> None:
        super().__init__("Something went wrong on our side. Nothing was stored under your key; quote the request id when you report it.")


class BadRequest(LedgerError):
    """The request breaks the rules of HTTP, whatever its body says."""

    code = "bad_request"
    title = "Bad request"


def document(error: LedgerError, *, request_id: str) -> dict[str, object]:
    """Return an error's problem document. A ``Money`` member becomes two members."""
    body: dict[str, object] = {
        "type": settings.LEDGER_ERROR_BASE_URL + error.code,
        "title": error.title,
        "status": STATUS[error.code],
        "code": error.code,
        "detail": str(error),
        "request_id": request_id,
    }
    for name, value in error.extra().items():
        if isinstance(value, Money):
            body[name], body[f"{name}_minor"] = value.major, value.minor
        else:
            body[name] = value
    return body


def problem(error: LedgerError, *, request_id: str) -> tuple[int, bytes]:
    """Return an error's status and problem document."""
    return STATUS[error.code], dumps(document(error, request_id=request_id))


def error_headers(error: LedgerError) -> dict[str, str]:
    """Return the headers that an error's answer carries."""
    if isinstance(error, AccessRefused):
        return dict(error.headers())
    return {"Retry-After": str(error.retry_after_s)} if isinstance(error, Unavailable) else {}


def problem_response(error: LedgerError, request: HttpRequest, *, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return the response for an error, and note its code for the request's log line."""
    status, body = problem(error, request_id=getattr(request, "request_id", ""))
    note_code(request, error.code)
    return raw_response(status, body, headers={**error_headers(error), **(headers or {})})


def note_code(request: HttpRequest, code: str) -> None:
    """Note the code of an error for the request's log line."""
    api_request(request).log = {**getattr(request, "log", {}), "code": code}


def to_ledger_error(error: BaseException, request: HttpRequest) -> LedgerError | None:
    """Return the contract's error for an exception; None for an unexpected exception."""
    if isinstance(error, LedgerError):
        return error
    meaning = meaning_of(error)
    if meaning is not None:
        log.warning("database.unavailable", error=type(error).__name__, sqlstate=sqlstate_of(error), detail=str(error)[:200])
        return DatabaseUnavailable(f"{meaning.words} Try again, with the same Idempotency-Key if you sent one.")
    return _framework_error(error, request)


def _framework_error(error: BaseException, request: HttpRequest) -> LedgerError | None:
    if isinstance(error, Http404 | drf.NotFound):
        nearest = nearest_path(request.path_info)
        return RouteNotFound(request.path, hint=f" Did you mean {nearest}?" if nearest else "")
    translations: list[tuple[type[BaseException] | tuple[type[BaseException], ...], LedgerError]] = [
        (drf.MethodNotAllowed, MethodNotAllowed(str(request.method))),
        (drf.UnsupportedMediaType, UnsupportedMediaType(request.META.get("CONTENT_TYPE", ""))),
        (drf.ParseError, MalformedJson("The body is not JSON.")),
        (RequestDataTooBig, PayloadTooLarge(settings.LEDGER_MAX_BODY_BYTES)),
        ((PermissionDenied, drf.PermissionDenied), AccessDenied("This is not allowed with these credentials.")),
        ((SuspiciousOperation, DjangoBadRequest), BadRequest("The request is malformed.")),
    ]
    return next((ledger_error for kinds, ledger_error in translations if isinstance(error, kinds)), None)


def exception_response(error: Exception, request: HttpRequest, *, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return the response for any exception. An unexpected one is logged with its traceback."""
    ledger_error = to_ledger_error(error, request)
    if ledger_error is None:
        log.error("request.failed", exc_info=error)
        ledger_error = InternalError()
    return problem_response(ledger_error, request, headers=headers)


def exception_handler(exc: Exception, context: Mapping[str, object]) -> HttpResponse:
    """DRF's hook for exceptions in views. It runs on the event loop: no database here."""
    request: Any = context["request"]
    view: Any = context["view"]
    headers = {"Allow": ", ".join(view.allowed_methods)} if isinstance(exc, drf.MethodNotAllowed) else None
    django_request: HttpRequest = getattr(request, "_request", request)
    return exception_response(exc, django_request, headers=headers)
