"""Responses with ready bytes: no thread has to render or close them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

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


class ReadyResponse(HttpResponse):
    """A status, headers and bytes.

    Django's constructor takes as long as a small view: it makes cookies, a case-insensitive
    mapping, and encodes each header. This one keeps what it gets. Header names are written as they
    are given, each in one spelling.
    """

    def __init__(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.status_code, self._body, self.headers = status, body, headers  # type: ignore[assignment]  # a plain mapping does
        self.closed = False
        self._resource_closers: list[Callable[[], None]] = []

    @property
    def content(self) -> bytes:
        """The body."""
        return self._body

    @content.setter
    def content(self, value: bytes) -> None:
        self._body = value

    def own_lines(self) -> bytes | None:
        """Return its headers as on the wire; None if one of them changes a standard one or the
        connection.
        """
        headers = self.headers
        if len(headers) == 1:
            return _TYPE_LINES.get(headers["content-type"])
        if "connection" in headers or not STANDARD_HEADERS.keys().isdisjoint(headers):
            return None
        return header_lines(headers)


_TYPE_LINES = {kind: header_lines({"content-type": kind}) for kind in (JSON, PROBLEM)}


def json_response(payload: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return a JSON response."""
    return raw_response(status, dumps(payload), kind=JSON, headers=headers)


def raw_response(status: int, body: bytes, *, kind: str | None = None, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return the bytes of an answer that was written before.

    By default it is JSON, or a problem document if the status says so.
    """
    own = {"content-type": kind or (JSON if status < 400 else PROBLEM)}
    if headers:
        own |= {name.lower(): value for name, value in headers.items()}
    return ReadyResponse(status, body, own)
