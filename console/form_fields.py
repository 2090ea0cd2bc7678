"""Form fields that read strictly: they strip, cut off and guess nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NoReturn

from django import forms
from django.core.exceptions import ValidationError

_WHOLE = re.compile(r"0|[1-9][0-9]{0,37}", re.ASCII)
_DECIMAL = re.compile(r"(?:0|[1-9][0-9]{0,37})(?:\.[0-9]{1,38})?", re.ASCII)


class _StrictField(forms.CharField):
    """A text that is a value exactly as it stands; an optional one may be empty."""

    def __init__(self, *, read: Callable[[str], Any], expected: str, **options: Any) -> None:
        super().__init__(strip=False, **options)
        self._read, self._expected = read, expected

    def clean(self, value: Any) -> Any:
        """Return the value, None for an empty text. Raises ``ValidationError``."""
        text = super().clean(value)
        if not text:
            return None
        try:
            return self._read(text)
        except ValueError:
            raise ValidationError(self._expected, code="invalid") from None


def _matched(pattern: re.Pattern[str], text: str) -> str:
    if pattern.fullmatch(text) is None:
        raise ValueError(text)
    return text


def whole_number_field(**options: Any) -> forms.Field:
    """Return a field for a whole number that is not negative, in plain digits."""
    expected = "A whole number is expected, in digits without anything between them."
    return _StrictField(read=lambda text: int(_matched(_WHOLE, text)), expected=expected, max_length=64, **options)


def decimal_field(read: Callable[[str], Any], **options: Any) -> forms.Field:
    """Return a field for a decimal number from zero up; ``read`` makes a value of its text."""
    expected = "A decimal number is expected, as in 0.01: digits and at most one point."
    return _StrictField(read=lambda text: read(_matched(_DECIMAL, text)), expected=expected, max_length=64, **options)


class JsonField(forms.CharField):
    """A JSON value.

    Refuses a member that stands there twice, NaN and infinities, and very long numbers.
    """

    def clean(self, value: Any) -> Any:
        """Return the value, None for an empty text. Raises ``ValidationError``."""
        text = super().clean(value)
        try:
            return json.loads(text, object_pairs_hook=_members, parse_constant=_refuse, parse_int=_whole) if text else None
        except (ValueError, RecursionError) as error:
            raise ValidationError(f"This is no JSON that can be used: {error}.", code="invalid") from None

    def prepare_value(self, value: Any) -> Any:
        """Return a value as JSON text."""
        return value if value is None or isinstance(value, str) else json.dumps(value)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands there twice")
    return members


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _whole(text: str) -> int:
    if len(text) > 60:
        raise ValueError("a number is too long")
    return int(text)
