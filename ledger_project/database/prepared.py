"""Texts and names of prepared statements."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import cache


@cache
def numbered(statement: str) -> bytes:
    """Return a statement with libpq's placeholders ($1, …) in place of psycopg's (%s)."""
    first, *others = statement.split("%s")
    text = first + "".join(f"${number}{part}" for number, part in enumerate(others, 1))
    if "%" in text:
        raise AssertionError(f"a percent sign that is no placeholder: {text}")
    return text.encode()


_NAMED = re.compile(r"%\((\w+)\)s")


@cache
def _by_position(statement: str) -> tuple[str, tuple[str, ...]]:
    return _NAMED.sub("%s", statement), tuple(_NAMED.findall(statement))


def positional(statement: str, values: Mapping[str, object]) -> tuple[str, list[object]]:
    """Return a statement with psycopg's named placeholders in the form with nameless ones, and
    their values in order.
    """
    text, names = _by_position(statement)
    return text, [values[name] for name in names]


@cache
def name_of(statement: str) -> bytes:
    """Return the name of a prepared statement: the same in every process, and different for every
    text.

    Behind a pooler, several processes may use one connection of the database. A name that had
    another text there would run that text.
    """
    return b"ledger_" + hashlib.sha256(numbered(statement)).hexdigest()[:32].encode()


def text_values(parameters: Iterable[object]) -> list[bytes | None]:
    """Return parameters in their text form, as the server reads them; None is NULL."""
    return [None if value is None else str(value).encode() for value in parameters]
