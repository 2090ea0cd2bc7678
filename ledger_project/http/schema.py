"""Pieces of the OpenAPI description that views share."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from ledger_project.http.problems import STATUS


class HealthJson(serializers.Serializer[Any]):
    """How it is."""

    status = serializers.CharField()


class FieldErrorJson(serializers.Serializer[Any]):
    """One wrong field."""

    field = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class ProblemJson(serializers.Serializer[Any]):
    """Problem details (RFC 9457). Members beside these depend on the code; every amount comes as a twin of string and integer."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()
    request_id = serializers.CharField()
    errors = FieldErrorJson(many=True, required=False)  # type: ignore[assignment]  # a member of the document


ALWAYS = (
    "malformed_json",
    "validation_error",
    "payload_too_large",
    "unsupported_media_type",
    "internal_error",
    "database_unavailable",
)
"""Codes that any call with a body may answer."""


def problem_responses(*codes: str) -> dict[Any, Any]:
    """Return the error responses of a view: for each status the codes it may carry."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(STATUS[code], []).append(code)
    return {
        (status, "application/problem+json"): OpenApiResponse(ProblemJson, description=", ".join(f"`{code}`" for code in found))
        for status, found in sorted(by_status.items())
    }


def idempotency_key(*, required: bool) -> OpenApiParameter:
    """Return the declaration of the Idempotency-Key header."""
    return OpenApiParameter(
        "Idempotency-Key",
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        required=required,
        description="1 to 255 visible ASCII characters, the same for each retry of one request.",
    )


REPLAYED = OpenApiParameter(
    "Idempotent-Replayed",
    OpenApiTypes.BOOL,
    OpenApiParameter.HEADER,
    response=True,
    description="`true` on an answer that was given before under this key.",
)


# --- how our own fields look in the document --------------------------------------------------------------------------------


class _StrictField(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """Describes one of the fields that never coerce; subclasses name it."""

    schema: dict[str, Any] = {}

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        """Return the field's JSON Schema, with the bounds that it has."""
        del auto_schema, direction
        bounds = {"minimum": getattr(self.target, "min_value", None), "maximum": getattr(self.target, "max_value", None)}
        return self.schema | {name: value for name, value in bounds.items() if value is not None}


class _IntegerSchema(_StrictField):  # type: ignore[no-untyped-call]
    target_class = "ledger_project.http.fields.StrictInteger"
    schema = {"type": "integer"}


class _BooleanSchema(_StrictField):  # type: ignore[no-untyped-call]
    target_class = "ledger_project.http.fields.StrictBoolean"
    schema = {"type": "boolean"}


class _MetadataSchema(_StrictField):  # type: ignore[no-untyped-call]
    target_class = "ledger_project.http.fields.MetadataField"
    schema = {"type": "object", "additionalProperties": True}


class _UUIDSchema(_StrictField):  # type: ignore[no-untyped-call]
    target_class = "ledger_project.http.fields.StrictUUID"
    schema = {"type": "string", "format": "uuid"}


class _TimestampSchema(_StrictField):  # type: ignore[no-untyped-call]
    target_class = "ledger_project.http.fields.Timestamp"
    schema = {"type": "string", "format": "date-time"}


class _LimitSchema(_StrictField):  # type: ignore[no-untyped-call]
    target_class = "ledger_project.http.cursors.LimitField"
    schema = {"type": "integer", "minimum": 1, "maximum": 200}


def add_summaries(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Give every call a summary: the first sentence of its description. A hook of drf-spectacular."""
    del kwargs
    for calls in result["paths"].values():
        for call in calls.values():
            call.setdefault("summary", call.get("description", "").partition(".")[0].partition("\n")[0])
    return result
