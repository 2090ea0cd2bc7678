"""Pages of a list: opaque cursors that carry their filters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core import signing
from django.http import HttpRequest, QueryDict
from rest_framework import serializers

from ledger_project.http.fields import StrictString
from ledger_project.http.validation import field_names, validate_query
from ledger_project.kernel.errors import InvalidCursor, ValidationFailed

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
_PAGING = frozenset({"limit", "cursor"})


class LimitField(serializers.Field):  # type: ignore[type-arg]
    """How many items a page has: 1 to 200."""

    default_error_messages = {"invalid": f"a number from 1 to {MAX_LIMIT} is expected"}

    def to_internal_value(self, data: object) -> int:
        """Parse it."""
        if not isinstance(data, str) or not data.isascii() or not data.isdigit() or len(data) > 4 or not 1 <= int(data) <= MAX_LIMIT:
            self.fail("invalid")
        return int(data)

    def to_representation(self, value: int) -> int:
        """As it is."""
        return value


class PageQuery(serializers.Serializer[Any]):
    """The query parameters that every list has."""

    limit = LimitField(required=False, default=DEFAULT_LIMIT, help_text="Items a page, 1 to 200.")
    cursor = StrictString(required=False, max_length=4096, help_text="`next_cursor` of the page before; it carries the filters.")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page of which list: its validated filters, the position it goes on from (None: the start), and how many items."""

    list_name: str
    values: dict[str, Any]
    raw_filters: dict[str, str]
    position: str | None
    limit: int

    def next_cursor(self, position: str) -> str:
        """Return the cursor of the page after this one."""
        return encode_cursor(self.list_name, self.raw_filters, position)


def encode_cursor(list_name: str, filters: Mapping[str, str], position: str) -> str:
    """Return an opaque, signed cursor."""
    return signing.dumps([dict(filters), position], salt=f"cursor.{list_name}", compress=True)


def decode_cursor(text: str, list_name: str) -> tuple[dict[str, str], str]:
    """Return a cursor's filters and position. Raises ``InvalidCursor`` for anything that this list did not hand out."""
    try:
        filters, position = signing.loads(text, salt=f"cursor.{list_name}")
    except (signing.BadSignature, ValueError, TypeError):
        raise InvalidCursor from None
    return filters, position


def page_request(request: HttpRequest, list_name: str, query_class: type[PageQuery]) -> PageRequest:
    """Return which page is asked for. A cursor goes on with its filters; filters beside it must be the same.

    Raises ``InvalidCursor`` and ``ValidationFailed``.
    """
    names = [name for name in field_names(query_class) if name not in _PAGING]
    given = {name: request.GET[name] for name in names if name in request.GET}
    text = request.GET.get("cursor")
    if text is None:
        values = validate_query(query_class, request)
        return PageRequest(list_name, values, given, None, values["limit"])
    filters, position = decode_cursor(text, list_name)
    if any(filters.get(name) != value for name, value in given.items()):
        raise InvalidCursor
    paging = validate_query(PageQuery, request)
    return PageRequest(list_name, _revalidate(query_class, filters), filters, position, paging["limit"])


def _revalidate(query_class: type[PageQuery], filters: Mapping[str, str]) -> dict[str, Any]:
    request = HttpRequest()
    given = QueryDict(mutable=True)
    given.update(filters)
    request.GET = given  # type: ignore[assignment]
    try:
        return validate_query(query_class, request)
    except ValidationFailed:
        raise InvalidCursor from None


def page_json(items: list[dict[str, object]], page: PageRequest, positions: list[str]) -> dict[str, object]:
    """Return a page's answer. ``items`` and ``positions`` are one longer than the page if there is more."""
    more = len(items) > page.limit
    return {"items": items[: page.limit], "next_cursor": page.next_cursor(positions[page.limit - 1]) if more else None}
