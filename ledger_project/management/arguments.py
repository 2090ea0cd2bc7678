"""Arguments of commands that have a form: read once, by one rule, and refused by the parser in one line."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return what reads a whole number from ``low`` to ``high``."""

    def read(text: str) -> int:
        if not (text.isascii() and text.removeprefix("-").isdecimal() and len(text) < 20 and low <= int(text) <= high):
            raise ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return read


def number(low: float, high: float) -> Callable[[str], float]:
    """Return what reads a number from ``low`` to ``high``; infinity and NaN are none."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise ArgumentTypeError(f"{text!r} is not a number from {low:g} to {high:g}")
        return value

    return read


def moment(text: str) -> datetime:
    """Read a moment in RFC 3339; without an offset it is UTC."""
    try:
        value = datetime.fromisoformat(text)
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"{text!r} is not a moment such as 2026-01-31T00:00:00Z") from None


def identifier(text: str) -> UUID:
    """Read the id of a row."""
    try:
        return UUID(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not an id such as 0199c0de-0000-7000-8000-000000000000") from None
