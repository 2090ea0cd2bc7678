"""The Idempotency-Key header, and the fingerprint by which two requests are the same."""

from __future__ import annotations

import hashlib
import json
import re

from django.http import HttpRequest

from ledger_project.kernel.errors import IdempotencyKeyInvalid, IdempotencyKeyMissing

MAX_LENGTH = 255

_BARE = re.compile(r"[\x21-\x7e]+", re.ASCII)
# RFC 8941 section 3.3.3: printable ASCII in double quotes, a quote or backslash inside escaped by a
# backslash.
_QUOTED = re.compile(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"', re.ASCII)
_ESCAPED = re.compile(r'\\(["\\])')


def parse_key(text: str) -> str:
    """Return the key of a header value, bare or quoted. Raises ``IdempotencyKeyInvalid``."""
    value = text.strip(" \t")
    if value.startswith('"'):
        quoted = _QUOTED.fullmatch(value)
        if quoted is None:
            raise IdempotencyKeyInvalid
        value = _ESCAPED.sub(r"\1", quoted[1])
    if not _BARE.fullmatch(value) or len(value) > MAX_LENGTH:
        raise IdempotencyKeyInvalid
    return value


def read_key(request: HttpRequest, *, required: bool) -> str | None:
    """Return a request's idempotency key.

    Raises ``IdempotencyKeyMissing`` and ``IdempotencyKeyInvalid``.
    """
    text = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if text is None:
        if required:
            raise IdempotencyKeyMissing
        return None
    return parse_key(text)


_canonical = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), sort_keys=True).encode


def fingerprint(method: str, path: str, body: object) -> bytes:
    """Return SHA-256 over method, path and the parsed body in canonical form: order of keys and
    white space do not matter.
    """
    return hashlib.sha256(f"{method} {path}\n{_canonical(body)}".encode()).digest()
