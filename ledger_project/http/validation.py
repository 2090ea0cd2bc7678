"""Serializers at the price of their checks: instantiated once, run many times.

DRF copies every field of a serializer for each instance, which costs 22% of a transfer's request. Validation itself keeps no state on
the instance, so one instance a class serves all requests. What is plainly valid does not even need that: see compiled.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from django.http import HttpRequest
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.exceptions import ValidationError as DRFValidationError

from ledger_project.http.compiled import NotPlain, compile_serializer
from ledger_project.kernel.errors import FieldError, ValidationFailed


class _Shared(NamedTuple):
    """What is made once of a serializer class."""

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


def field_names(serializer_class: type[serializers.Serializer[Any]]) -> frozenset[str]:
    """Return the names of a serializer's fields."""
    return _shared(serializer_class).names


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


def validate(serializer_class: type[serializers.Serializer[Any]], data: object) -> dict[str, Any]:
    """Return validated values. Raises ``ValidationFailed`` with every field that is wrong; unknown fields are wrong too.

    A misspelt ``external_reference`` that is silently ignored would be a guard that silently is not there.
    """
    if not isinstance(data, dict):
        raise ValidationFailed.of("body", "invalid", "a JSON object is expected")
    serializer, names, compiled = _shared(serializer_class)
    if compiled is not None and data.keys() <= names:
        try:
            return compiled(data)
        except NotPlain:
            pass  # DRF decides, and words what is wrong.
    unknown = [FieldError(str(name), "unknown_field", "there is no such field here") for name in data if name not in names]
    try:
        values: dict[str, Any] = serializer.run_validation(data)
    except DRFValidationError as error:
        raise ValidationFailed(_flatten(error.detail, "") + unknown) from None
    if unknown:
        raise ValidationFailed(unknown)
    return values


def validate_query(serializer_class: type[serializers.Serializer[Any]], request: HttpRequest) -> dict[str, Any]:
    """Return validated query parameters (the last one of a name counts; names that are not known here are ignored)."""
    serializer, names, _ = _shared(serializer_class)
    given = {name: value for name, value in request.GET.items() if name in names}
    try:
        values: dict[str, Any] = serializer.run_validation(given)
    except DRFValidationError as error:
        raise ValidationFailed(_flatten(error.detail, "")) from None
    return values
