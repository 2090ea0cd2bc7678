"""Names of merchants that a person begins to type. Synchronous."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db import connection

from ledger_project.database.arrays import quoted
from merchants.domain import fold, search_grams


class NamedMerchant(NamedTuple):
    """A merchant as a person chooses it."""

    name: str
    display_name: str | None


# Both read an index: the unique one of the folded names, and that of the pieces of a name.
_BEGINNING = """
SELECT name, display_name FROM merchants_merchant
WHERE lower(name COLLATE "C") >= %(text)s AND lower(name COLLATE "C") < %(after)s ORDER BY lower(name COLLATE "C") LIMIT %(limit)s
"""
_CONTAINING = """
SELECT name, display_name FROM merchants_merchant
WHERE ledger_grams(lower(name COLLATE "C")) @> %(grams)s::text[] AND strpos(lower(name COLLATE "C"), %(text)s) > 1 LIMIT %(limit)s
"""


def suggest_names(text: str, *, limit: int) -> list[NamedMerchant]:
    """Return merchants whose name begins with a text, then others that have it in them, regardless
    of case; none for a text without a character that a name can have.
    """
    folded = fold(text.strip())
    if not folded or not folded.isascii() or not folded.isprintable():
        return []
    after = folded[:-1] + chr(ord(folded[-1]) + 1)
    values: dict[str, Any] = {"text": folded, "after": after, "grams": quoted(search_grams(folded)), "limit": limit}
    found = _rows(_BEGINNING, values)
    # One character or two are in so many names that those that begin with them must do.
    if len(found) < limit and len(folded) > 2:
        found += _rows(_CONTAINING, values)
    return found[:limit]


def _rows(statement: str, values: dict[str, Any]) -> list[NamedMerchant]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [NamedMerchant(*row) for row in cursor.fetchall()]
