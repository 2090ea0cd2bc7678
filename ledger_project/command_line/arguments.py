"""Arguments of commands: each form has one rule, and an error is one line that names the option."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from django.core.management.base import CommandError

from ledger_project.command_line.runner import IMPOSSIBLE

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


def whole(option: str, low: int, high: int) -> Callable[[str], int]:
    """Return a function that reads a whole number from ``low`` to ``high``, or raises
    ``CommandError``.
    """

    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) < 20 and low <= int(text) <= high):
            raise CommandError(f"{option} is {text!r}; a whole number from {low} to {high} is expected.", returncode=IMPOSSIBLE)
        return int(text)

    return read


def moment(option: str, text: str | None) -> datetime | None:
    """Read a moment in RFC 3339, in UTC if it has no offset. Raises ``CommandError``."""
    if text is None:
        return None
    try:
        value = datetime.fromisoformat(text)
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise CommandError(f"{option} is {text!r}; a moment such as 2026-01-31T00:00:00Z is expected.", returncode=IMPOSSIBLE) from None


def identifier(option: str, text: str | None, *, of: str = "an account") -> UUID | None:
    """Read the id of a row. Raises ``CommandError``."""
    if text is None:
        return None
    if not _ID.fullmatch(text):
        raise CommandError(f"{option} is {text!r}; the id of {of} is expected.", returncode=IMPOSSIBLE)
    return UUID(text)
