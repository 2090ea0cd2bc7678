"""Who is in the log of operators, and about what: read without reading the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import connection

from people.models import User

# The next value behind each, by the index of the column: as many look-ups as there are values.
_VALUES = """
WITH RECURSIVE seen AS (
    (SELECT {column} AS value FROM django_admin_log WHERE {column} IS NOT NULL ORDER BY {column} LIMIT 1)
    UNION ALL
    SELECT (SELECT {column} FROM django_admin_log WHERE {column} > seen.value ORDER BY {column} LIMIT 1)
    FROM seen WHERE seen.value IS NOT NULL
)
SELECT value FROM seen WHERE value IS NOT NULL
"""
_AUTHORS = _VALUES.format(column="user_id")
_KINDS = _VALUES.format(column="content_type_id")


def authors_of_log() -> Sequence[User]:
    """Return the users who are in the log, by their names."""
    return list(User.objects.filter(pk__in=_read(_AUTHORS)).order_by("username"))


def kinds_of_log() -> Sequence[ContentType]:
    """Return the kinds of objects that the log is about."""
    return list(ContentType.objects.filter(pk__in=_read(_KINDS)).order_by("app_label", "model"))


def _read(statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [row[0] for row in cursor.fetchall()]
