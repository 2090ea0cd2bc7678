"""Responses whose bytes are ready: nothing is rendered later, nothing has to be closed in a thread."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpResponse

from ledger_project.kernel.json import dumps

JSON = "application/json"
PROBLEM = "application/problem+json"


def json_response(payload: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return a JSON response."""
    return HttpResponse(dumps(payload), status=status, content_type=JSON, headers=dict(headers) if headers else None)


def raw_response(status: int, body: bytes, *, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return the bytes of an answer that was written before."""
    return HttpResponse(body, status=status, content_type=JSON if status < 400 else PROBLEM, headers=dict(headers) if headers else None)
