"""Pages of a list: opaque cursors that carry their filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.core import signing
from rest_framework import serializers

from ledger_project.http.validation import Query, read_query
from ledger_project.kernel.errors import InvalidCursor, ValidationFailed
from ledger_project.kernel.exact_json import text_or_null

_LONG = 100
"""Characters of filters from which on a cursor is compressed."""

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


class LimitField(serializers.Field):
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


class CursorField(serializers.Field):
    """A cursor. The list that made it checks it."""

    def to_internal_value(self, data: str) -> str:
        """As it is."""
        return data

    def to_representation(self, value: str) -> str:
        """As it is."""
        return value


class PageQuery(serializers.Serializer[Any]):
    """The query parameters of every list.

    ``not_filters`` change how a list is shown, not its content.
    """

    not_filters: ClassVar[frozenset[str]] = frozenset({"limit", "cursor"})

    limit = LimitField(required=False, default=DEFAULT_LIMIT, help_text="Items a page, 1 to 200.")
    cursor = CursorField(required=False, help_text="`next_cursor` of the page before; it carries the filters.")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A page of a list: its validated filters, the position to go on from (None: the start), and
    its size.
    """

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
    # To try to make a short one shorter would take a third of the time, for nothing.
    is_long = sum(map(len, filters.values())) > _LONG
    return signing.dumps([dict(filters), position], salt=f"cursor.{list_name}", compress=is_long)


def decode_cursor(text: str, list_name: str) -> tuple[dict[str, str], str]:
    """Return a cursor's filters and position.

    Raises ``InvalidCursor`` for anything but a cursor of this list.
    """
    try:
        filters, position = signing.loads(text, salt=f"cursor.{list_name}")
    except (signing.BadSignature, ValueError, TypeError):
        raise InvalidCursor from None
    return filters, position


def page_request(query: Query, list_name: str) -> PageRequest:
    """Return the page that a query asks for.

    Raises ``InvalidCursor``.

    A cursor carries its filters; filters beside it must be the same. ``query`` belongs to a
    ``PageQuery``.
    """
    assert issubclass(query.declared, PageQuery)  # a mistake of the view's
    given = {name: value for name, value in query.raw.items() if name not in query.declared.not_filters}
    text: str | None = query.values.get("cursor")
    limit: int = query.values["limit"]
    if text is None:
        return PageRequest(list_name, query.values, given, None, limit)
    filters, position = decode_cursor(text, list_name)
    if any(filters.get(name) != value for name, value in given.items()):
        raise InvalidCursor
    how_shown = {name: value for name, value in query.values.items() if name in query.declared.not_filters}
    return PageRequest(list_name, _revalidate(query.declared, filters) | how_shown, filters, position, limit)


def _revalidate(declared: type[PageQuery], filters: Mapping[str, str]) -> dict[str, Any]:
    try:
        return read_query(declared, urlencode(filters)).values
    except ValidationFailed:
        raise InvalidCursor from None


def page_body(items: Sequence[str], page: PageRequest, position: Callable[[int], str], *, more_members: str = "") -> bytes:
    """Return the body of a page of ``items``, which are JSON already.

    The items are one more than the page if there is more; ``position`` returns the position of an
    item. ``more_members`` follow the others, each after a comma.
    """
    cursor = None
    if len(items) > page.limit:
        items = items[: page.limit]
        cursor = page.next_cursor(position(page.limit - 1))
    return f'{{"items":[{",".join(items)}],"next_cursor":{text_or_null(cursor)}{more_members}}}'.encode()
