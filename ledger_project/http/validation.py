"""Validation of bodies and query strings by the serializer that declares them.

Undeclared members are refused.

A serializer is made once and runs many times: DRF copies every field for each instance, which costs
22% of a transfer's request. Validation keeps no state on the instance. Plainly valid bodies do not
need the instance either (compiled.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.exceptions import ValidationError as DRFValidationError

from ledger_project.http.compiled import NotPlain, compile_serializer
from ledger_project.kernel.errors import FieldError, ValidationFailed


class _Shared(NamedTuple):
    """A serializer class, prepared once."""

    serializer: serializers.Serializer[Any]
    names: frozenset[str]
    compiled: Callable[[Mapping[str, Any]], dict[str, Any]] | None


_instances: dict[type[serializers.Serializer[Any]], _Shared] = {}


def _shared(serializer_class: type[serializers.Serializer[Any]]) -> _Shared:
    shared = _instances.get(serializer_class)
    if shared is None:
        instance = serializer_class()
        names = frozenset(str(name) for name in instance.fields)
        shared = _instances[serializer_class] = _Shared(instance, names, compile_serializer(instance))
    return shared


def _flatten(errors: object, path: str) -> list[FieldError]:
    if isinstance(errors, Mapping):
        return [error for name, inner in errors.items() for error in _flatten(inner, f"{path}.{name}" if path else str(name))]
    if isinstance(errors, list):
        found: list[FieldError] = []
        for index, inner in enumerate(errors):
            found += _flatten(inner, path if isinstance(inner, ErrorDetail) else f"{path}.{index}")
        return found
    code = errors.code if isinstance(errors, ErrorDetail) else "invalid"
    return [FieldError(path or "body", str(code or "invalid"), str(errors))]


_MOST_ERRORS = 20
_LONGEST_NAME = 100
"""The largest part of made-up names that an answer repeats: an answer must not be many times its
request."""


def _unknown(names: Iterable[object], what: str) -> list[FieldError]:
    return [FieldError(str(name)[:_LONGEST_NAME], "unknown_field", f"there is no such {what} here") for name in names][:_MOST_ERRORS]


def validate(serializer_class: type[serializers.Serializer[Any]], data: object) -> dict[str, Any]:
    """Return validated values.

    Raises ``ValidationFailed`` with every wrong field, unknown fields included.

    An ignored typing error in ``external_reference`` would silently remove a guard against
    duplicates.
    """
    if not isinstance(data, dict):
        raise ValidationFailed.of("body", "invalid", "a JSON object is expected")
    serializer, names, compiled = _shared(serializer_class)
    if compiled is not None and data.keys() <= names:
        try:
            return compiled(data)
        except NotPlain:
            pass  # DRF decides, and words what is wrong.
    unknown = _unknown((name for name in data if name not in names), "field")
    try:
        values: dict[str, Any] = serializer.run_validation(data)
    except DRFValidationError as error:
        raise ValidationFailed(_flatten(error.detail, "") + unknown) from None
    if unknown:
        raise ValidationFailed(unknown)
    return values


# --- query strings --------------------------------------------------------------------------------


class NoQuery(serializers.Serializer[Any]):
    """No query parameters: for a call that declares none."""


@dataclass(frozen=True, slots=True)
class Query:
    """The query parameters of a request: their declaration, their text, and their values."""

    declared: type[serializers.Serializer[Any]]
    raw: Mapping[str, str]
    values: dict[str, Any]


def read_query(declared: type[serializers.Serializer[Any]], text: str) -> Query:
    """Return the parameters of a query string.

    Raises ``ValidationFailed`` with everything that is wrong.

    Refused are undeclared and repeated parameters, text that is not UTF-8, values that their field
    refuses, and periods that begin after their end. An ignored parameter would change the question.
    """
    serializer, names, compiled = _shared(declared)
    raw, errors = _parameters(text)
    if compiled is not None and not errors and raw.keys() <= names:
        try:
            values = compiled(raw)
        except NotPlain:
            pass  # DRF decides, and words what is wrong.
        else:
            if not _turned_round(values):
                return Query(declared, raw, values)
    known = {name: value for name, value in raw.items() if name in names}
    values = {}
    try:
        values = serializer.run_validation(known)
    except DRFValidationError as error:
        errors += _flatten(error.detail, "")
    errors += _unknown((name for name in raw if name not in names), "query parameter")
    errors += _turned_round(values)
    if errors:
        raise ValidationFailed(errors)
    return Query(declared, raw, values)


_NO_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")


def _parameters(text: str) -> tuple[dict[str, str], list[FieldError]]:
    """Return the parameters of a query string as text, and what is wrong with their form.

    ``text`` has bytes beyond ASCII as surrogates, as the handler leaves them: nothing is replaced
    before it is checked.
    """
    found: dict[str, str] = {}
    errors: list[FieldError] = []
    for part in filter(None, text.split("&")):
        raw_name, _, raw_value = part.partition("=")
        try:
            name, value = _unescaped(raw_name), _unescaped(raw_value)
        except ValueError:
            shown = raw_name[:_LONGEST_NAME].encode("ascii", "replace").decode()
            errors.append(FieldError(shown, "invalid", "UTF-8 in percent-encoding is expected; a percent sign itself is %25"))
            continue
        if name in found:
            errors.append(FieldError(name[:_LONGEST_NAME], "repeated", "a query parameter is sent once"))
        found[name] = value
    return found, errors[:_MOST_ERRORS]


def _unescaped(text: str) -> str:
    """Return the text of a part of a query string. Raises ``ValueError``."""
    if "%" not in text and "+" not in text and text.isascii():
        return text
    if _NO_ESCAPE.search(text):
        raise ValueError(text)
    return unquote_to_bytes(text.replace("+", " ").encode("utf-8", "surrogateescape")).decode()


def _turned_round(values: Mapping[str, Any]) -> list[FieldError]:
    """Return the periods that begin after their end: two dates or times named ``from`` and ``to``,
    or ``…_from`` and ``…_to``.
    """
    errors = []
    for name, end in values.items():
        prefix, found, rest = name.rpartition("to")
        if not found or rest or (prefix and not prefix.endswith("_")):
            continue
        start = values.get(f"{prefix}from")
        if isinstance(start, date) and isinstance(end, date) and start > end:
            errors.append(FieldError(f"{prefix}from", "after_end", f"the period begins after its end, {name}"))
    return errors
