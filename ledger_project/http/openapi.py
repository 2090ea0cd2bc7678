"""How drf-spectacular makes the OpenAPI document: fields, calls, and hooks over the whole.

Importing it takes a tenth of a second, so only a process that makes the document does.
"""

from __future__ import annotations

import re
from typing import Any

from django.urls import get_resolver
from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema

from ledger_project.http.fields import MERCHANT_NAME
from ledger_project.http.schema import describe_calls
from ledger_project.kernel.happenings import EventType


class _StrictField(OpenApiSerializerFieldExtension):
    """Describes one of the fields that never convert; subclasses name it."""

    schema: dict[str, Any] = {}

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        """Return the field's JSON Schema with its bounds."""
        del auto_schema, direction
        bounds = {"minimum": getattr(self.target, "min_value", None), "maximum": getattr(self.target, "max_value", None)}
        return self.schema | {name: value for name, value in bounds.items() if value is not None}


class _MerchantNameSchema(OpenApiSerializerFieldExtension):
    target_class = "ledger_project.http.fields.MerchantName"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        """Return a string of the characters that a name may have."""
        del auto_schema, direction
        return {"type": "string", "pattern": f"^{MERCHANT_NAME.pattern}$"}


_TYPES = sorted({"*", *(text for type_ in EventType for text in (type_.value, f"{type_.value.partition('.')[0]}.*"))})
"""The ways to name types of events."""

_TYPE = "|".join(re.escape(text) for text in _TYPES)


class _TypesFilterSchema(_StrictField):
    target_class = "events.serializers.feed.TypesField"
    schema = {"type": "string", "pattern": f"^({_TYPE})(,({_TYPE}))*$"}


class _TypesSchema(_StrictField):
    target_class = "events.serializers.webhooks.EventTypesField"
    schema = {"type": "array", "items": {"type": "string", "enum": _TYPES}, "minItems": 1, "maxItems": 100}


class _BodySchema(OpenApiSerializerExtension):
    """Describes a request's body: it has no other members.

    A serializer's ``schema_rules`` are JSON Schema that is added to its fields'; they are rules
    between fields.
    """

    target_class = "rest_framework.serializers.Serializer"
    match_subclasses = True
    priority = -1

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        """Return the object's JSON Schema."""
        schema: dict[str, Any] = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        if direction != "request":
            return schema
        rules = dict(getattr(self.target, "schema_rules", {}))
        for name, rule in rules.pop("properties", {}).items():
            schema["properties"][name] |= rule
        return {**schema, "additionalProperties": False, **rules}


class _IntegerSchema(_StrictField):
    target_class = "ledger_project.http.fields.StrictInteger"
    schema = {"type": "integer"}


class _ReasonSchema(_StrictField):
    target_class = "ledger_project.http.fields.ReasonField"
    schema = {"type": "string", "minLength": 1, "maxLength": 400, "pattern": r"\S"}


class _ShownNameSchema(_StrictField):
    target_class = "ledger_project.http.fields.ShownName"
    schema = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$"}


class _EmailSchema(_StrictField):
    target_class = "ledger_project.http.fields.EmailAddress"
    schema = {"type": "string", "format": "email", "maxLength": 254}


class _BooleanSchema(_StrictField):
    target_class = "ledger_project.http.fields.StrictBoolean"
    schema = {"type": "boolean"}


class _MetadataSchema(_StrictField):
    target_class = "ledger_project.http.fields.MetadataField"
    schema = {"type": "object", "additionalProperties": True}


class _UUIDSchema(_StrictField):
    target_class = "ledger_project.http.fields.StrictUUID"
    schema = {"type": "string", "format": "uuid"}


class _TimestampSchema(_StrictField):
    target_class = "ledger_project.http.fields.Timestamp"
    schema = {"type": "string", "format": "date-time"}


class _QueryBooleanSchema(_StrictField):
    target_class = "ledger_project.http.fields.QueryBoolean"
    schema = {"type": "boolean"}


class _CursorSchema(_StrictField):
    target_class = "ledger_project.http.cursors.CursorField"
    schema = {"type": "string"}


class _LimitSchema(_StrictField):
    target_class = "ledger_project.http.cursors.LimitField"
    schema = {"type": "integer", "minimum": 1, "maximum": 200}


class _NumberSchema(_StrictField):
    target_class = "ledger_project.http.fields.QueryNumber"
    schema = {"type": "integer"}


class DescribedGenerator(SchemaGenerator):
    """drf-spectacular's maker of the document. It learns first what is said of the calls."""

    def get_schema(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the document."""
        _ = get_resolver().url_patterns  # imports all views, where calls are described
        describe_calls()
        made: dict[str, Any] = super().get_schema(*args, **kwargs)  # type: ignore[no-untyped-call]  # drf-spectacular's has no types
        return made


class DeclaredSchema(AutoSchema):
    """drf-spectacular's description of a call, with the query parameters that its view declares."""

    def get_override_parameters(self) -> list[Any]:
        """Return them and those that are named at the call."""
        declared = getattr(self.view, "queries", {}).get(self.method)
        return [*super().get_override_parameters(), *([] if declared is None else [declared])]


_ANY_CALL = {"406": "not_acceptable", "422": "validation_error"}
"""Refusals of every call: of an Accept header without a form that exists, and of a query string
that is not declared."""


def declare_refusals(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Add them to each call. A hook of drf-spectacular."""
    del kwargs
    for call in (call for calls in result["paths"].values() for call in calls.values()):
        for status, code in _ANY_CALL.items():
            answer = call["responses"].setdefault(
                status,
                {"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemJson"}}}, "description": ""},
            )
            named = [name for name in answer["description"].split(", ") if name]
            answer["description"] = ", ".join(named if f"`{code}`" in named else [f"`{code}`", *named])
        call["responses"] = dict(sorted(call["responses"].items()))
    return result


_END_OF_SENTENCE = re.compile(r"\.(?=\s|$)|\n")


def add_summaries(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Give every call a summary: the first sentence of its description.

    A hook of drf-spectacular.
    """
    del kwargs
    for calls in result["paths"].values():
        for call in calls.values():
            call.setdefault("summary", _END_OF_SENTENCE.split(call.get("description", ""), maxsplit=1)[0])
    return result


_LINE_BREAK = re.compile(r"(?<!\n)\n(?![\n*-])")


def unwrap_descriptions(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Make each paragraph of a description one line: docstrings are wrapped.

    A hook of drf-spectacular.
    """
    del kwargs
    calls = [call for calls in result["paths"].values() for call in calls.values()]
    for described in (*calls, *result["components"]["schemas"].values()):
        if "description" in described:
            described["description"] = _LINE_BREAK.sub(" ", described["description"])
    return result
