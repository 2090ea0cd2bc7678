"""Serializers at the price of their checks: instantiated once, run many times.

DRF copies every field of a serializer for each instance, which costs 22% of a transfer's request. Validation itself keeps no state on
the instance, so one instance a class serves all requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.exceptions import ValidationError as DRFValidationError

from ledger_project.kernel.errors import FieldError, ValidationFailed

_instances: dict[type[serializers.Serializer[Any]], tuple[serializers.Serializer[Any], frozenset[str]]] = {}


def _shared(serializer_class: type[serializers.Serializer[Any]]) -> tuple[serializers.Serializer[Any], frozenset[str]]:
    shared = _instances.get(serializer_class)
    if shared is None:
        instance = serializer_class()
        shared = _instances[serializer_class] = instance, frozenset(str(name) for name in instance.fields)
    return shared


def field_names(serializer_class: type[serializers.Serializer[Any]]) -> frozenset[str]:
    """Return the names of a serializer's fields."""
    return _shared(serializer_class)[1]


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
    serializer, names = _shared(serializer_class)
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
    serializer, names = _shared(serializer_class)
    given = {name: value for name, value in request.GET.items() if name in names}
    try:
        values: dict[str, Any] = serializer.run_validation(given)
    except DRFValidationError as error:
        raise ValidationFailed(_flatten(error.detail, "")) from None
    return values
