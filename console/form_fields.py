"""Form fields that read strictly: they strip, cut off and guess nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

_WHOLE = re.compile(r"0|[1-9][0-9]{0,37}", re.ASCII)


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
