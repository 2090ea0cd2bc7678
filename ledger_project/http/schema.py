"""Pieces of the OpenAPI description that views share."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar

from drf_spectacular import utils
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from ledger_project.http.problems import STATUS

Call = TypeVar("Call", bound=Callable[..., Any])

_described: list[tuple[Callable[..., Any], dict[str, Any]]] = []
_describing = Lock()


def extend_schema(**words: Any) -> Callable[[Call], Call]:
    """Describe a call for the OpenAPI document, as drf-spectacular's decorator of this name does.

    The words are kept until ``describe_calls``. drf-spectacular would import at once all that
    makes the document, which takes every process a tenth of a second.
    """

    def keep(call: Call) -> Call:
        _described.append((call, words))
        return call

    return keep


def describe_calls() -> None:
    """Hand drf-spectacular what is said of the calls, before the document is made."""
    with _describing:
        for call, words in _described:
            utils.extend_schema(**words)(call)
        _described.clear()


class HealthJson(serializers.Serializer[Any]):
    """How it is."""

    status = serializers.CharField()


class FieldErrorJson(serializers.Serializer[Any]):
    """One wrong field."""

    field = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class ProblemJson(serializers.Serializer[Any]):
    """Problem details (RFC 9457). Members beside these depend on the code; every amount comes as a
    twin of string and integer.
    """

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
    "account_busy",
)
"""Codes of any call with a body."""


def problem_responses(*codes: str) -> dict[Any, Any]:
    """Return the error responses of a view: for each status the codes it may carry."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(STATUS[code], []).append(code)
    return {
        (status, "application/problem+json"): OpenApiResponse(ProblemJson, description=", ".join(f"`{code}`" for code in found))
        for status, found in sorted(by_status.items())
    }


IDEMPOTENCY_KEY = r'^([!#-~][!-~]{0,254}|"([!#-\[\]-~]|\\["\\]){1,255}")$'
"""The form of a key: a bare token, or a quoted string."""


def idempotency_key(*, required: bool) -> OpenApiParameter:
    """Return the declaration of the Idempotency-Key header."""
    return OpenApiParameter(
        "Idempotency-Key",
        {"type": "string", "pattern": IDEMPOTENCY_KEY},
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
