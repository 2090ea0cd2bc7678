"""Metadata: JSON that callers store with money, shown as it was sent.

PostgreSQL keeps the numbers of ``jsonb`` as decimals and writes them without exponents: ``1e308``
has five bytes when it is sent and 309 when it is read. So the stored size counts, and only numbers
that stay the same are accepted.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from decimal import Decimal

from ledger_project.kernel.exact_json import dumps_text

MAX_BYTES = 16 * 1024
"""Bytes of the largest metadata, as compact JSON in UTF-8 with numbers written out."""

_EXPONENT = re.compile(r"[0-9][eE][+-]?[0-9]")
_STRING_OR_EXPONENT = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]+')

_MANTISSA = re.compile(r"-?([0-9]+)(?:\.([0-9]+))?")
_SAFE_DIGITS = sys.float_info.dig
_SMALLEST, _LARGEST = sys.float_info.min, sys.float_info.max


class InexactNumber(float):
    """A number that could not be stored unchanged: too many digits, too large or too small.

    It is well-formed JSON, so its field refuses it, not the parser. Its value is close to the
    written one.
    """


class MetadataRefused(ValueError):
    """Metadata that cannot be stored unchanged. ``code`` is the field error's code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_decimal(text: str) -> float:
    """Return the float of a JSON number; an ``InexactNumber`` unless the float stands for that
    number only.

    A decimal of at most 15 significant digits is the only one of its length that its double stands
    for (IEEE 754), so it is shown as it was sent. Zero must be written as zero.
    """
    match = _MANTISSA.match(text)
    digits = (match[1] + (match[2] or "")).strip("0") if match else ""
    value = float(text)
    if digits and (len(digits) > _SAFE_DIGITS or not _SMALLEST <= abs(value) <= _LARGEST):
        return InexactNumber(max(-_LARGEST, min(value, _LARGEST)))
    return value


def keep_metadata(value: Mapping[str, object]) -> Mapping[str, object]:
    """Return metadata in its stored form. Raises ``MetadataRefused``."""
    if not value:
        return {}
    kept = {name: _kept(member) for name, member in value.items()}
    stored = stored_json(kept)
    if len(stored) > MAX_BYTES or len(stored.encode()) > MAX_BYTES:
        raise MetadataRefused("max_length", "at most 16 KiB of JSON are kept, numbers written out without exponents")
    if "\\u0000" in stored and "\x00" in _texts(kept):
        raise MetadataRefused("nul", "NUL characters are not allowed")
    return kept


def stored_json(kept: Mapping[str, object]) -> str:
    """Return the JSON to store, without exponents: a decimal must not become an integer."""
    text = dumps_text(kept)
    return _STRING_OR_EXPONENT.sub(_written_out, text) if _EXPONENT.search(text) else text


def _written_out(match: re.Match[str]) -> str:
    if match[0].startswith('"'):
        return match[0]
    plain = format(Decimal(match[0]), "f")
    return plain if "." in plain else f"{plain}.0"


def _kept(value: object) -> object:
    if isinstance(value, float):
        if isinstance(value, InexactNumber):
            detail = "numbers are integers, or decimals of at most 15 digits within the range of a double; send others as strings"
            raise MetadataRefused("invalid_number", detail)
        return value or 0.0  # PostgreSQL has no negative zero
    if isinstance(value, Mapping):
        return {name: _kept(member) for name, member in value.items()}
    return [_kept(item) for item in value] if isinstance(value, list) else value


def _texts(value: object) -> str:
    """Return all text of a JSON value, keys included, in one string."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "".join(_texts(part) for pair in value.items() for part in pair)
    return "".join(map(_texts, value)) if isinstance(value, list) else ""
