"""Responses with ready bytes: no thread has to render or close them."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpResponse

from ledger_project.kernel.exact_json import dumps

JSON = "application/json"
PROBLEM = "application/problem+json"

STANDARD_HEADERS = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
"""The headers of every answer, unless it sets them itself."""

HSTS = {"strict-transport-security": f"max-age={365 * 24 * 3600}; includeSubDomains; preload"}
"""The further headers of an answer if ``LEDGER_HTTPS`` is on."""


def header_lines(headers: Mapping[str, str]) -> bytes:
    """Return headers in their form on the wire, each with its line end."""
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()]).encode("latin-1")


def json_response(payload: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return a JSON response."""
    return HttpResponse(dumps(payload), status=status, content_type=JSON, headers=dict(headers) if headers else None)


def raw_response(status: int, body: bytes, *, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return the bytes of an answer that was written before."""
    return HttpResponse(body, status=status, content_type=JSON if status < 400 else PROBLEM, headers=dict(headers) if headers else None)
