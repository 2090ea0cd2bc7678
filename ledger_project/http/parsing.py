"""Reading JSON: exact integers, UTF-8 only, and a bound on everything."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.http import HttpRequest
from rest_framework.parsers import BaseParser

from ledger_project.kernel.errors import MalformedJson, UnsupportedMediaType
from ledger_project.kernel.metadata import InexactNumber, read_decimal

MAX_DEPTH = 16
"""Levels of arrays and objects in a body."""

_MAX_DIGITS = 4000
"""Digits of the longest number: far beyond any amount, below the limit of Python."""


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedJson(f"{name} is not JSON.")


def _parse_int(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else InexactNumber("1e308")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_parse_int, parse_float=read_decimal)


_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def parse_json(raw: bytes) -> object:
    """Return the value of a body.

    Raises ``MalformedJson`` for anything but JSON in UTF-8 of at most 16 levels.

    A byte order mark in front is skipped (RFC 8259, section 8.1).
    """
    raw = raw.removeprefix(_BYTE_ORDER_MARK)
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH:
        _check_depth(raw)
    try:
        text = raw.decode()
        value = _decoder.decode(text)
    except (ValueError, RecursionError) as error:
        raise MalformedJson(f"The body is not JSON in UTF-8: {error}.") from None
    if b"\\ud" in raw or b"\\uD" in raw:
        _check_surrogates(value)
    return value


_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")


def _check_depth(raw: bytes) -> None:
    """Refuse deep nesting before any recursion."""
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", raw)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise MalformedJson(f"The body is nested more than {MAX_DEPTH} levels deep.")


def _check_surrogates(value: object) -> None:
    """Refuse halves of surrogate pairs: they cannot be written as UTF-8."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise MalformedJson("The body has half of a surrogate pair, which is no character.") from None


def check_content_type(content_type: str) -> None:
    """Raise ``UnsupportedMediaType`` unless a body is declared as JSON in UTF-8."""
    media_type, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower().replace('"', "").replace(" ", "")
    if media_type.strip().lower() != "application/json" or charset not in {"", "charset=utf-8", "charset=utf8"}:
        raise UnsupportedMediaType(content_type)


def check_encoding(encoding: str) -> None:
    """Raise ``UnsupportedMediaType`` for a compressed body: Content-Encoding may be ``identity``
    only.
    """
    if any(coding.strip().lower() not in {"", "identity"} for coding in encoding.split(",")):
        raise UnsupportedMediaType("", encoding=encoding)


def read_body(request: HttpRequest) -> object:
    """Return a request's parsed body; an empty object for no body.

    Raises ``UnsupportedMediaType`` and ``MalformedJson``. The handler has checked that the body is
    complete (bodies.py).
    """
    raw = request.body
    encoding = request.META.get("HTTP_CONTENT_ENCODING")
    if encoding is not None:
        check_encoding(encoding)
    content_type = request.META.get("CONTENT_TYPE", "")
    if not raw:
        return {}
    check_content_type(content_type)
    return parse_json(raw)


class JSONParser(BaseParser):
    """DRF's interface to ``parse_json``, for DRF's own tools; views use ``read_body``."""

    media_type = "application/json"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, object] | None = None) -> Any:
        """Parse a stream."""
        del media_type, parser_context
        return parse_json(stream.read())
