"""Serializer fields that never convert: a string is a JSON string, an integer a JSON integer.

DRF's own would take 5 for "5".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.validators import validate_email
from rest_framework import serializers

from ledger_project.kernel.metadata import MetadataRefused, keep_metadata

MERCHANT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_RFC3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,6}\d*)?([Zz]|[+-]\d{2}:\d{2})",
    re.ASCII,
)


class StrictString(serializers.CharField):
    """A JSON string of so many characters, taken as it is: nothing is trimmed or converted, NUL is
    refused.
    """

    default_error_messages = {"invalid": "a JSON string is expected", "nul": "NUL characters are not allowed"}

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("trim_whitespace", False)
        super().__init__(**kwargs)
        # DRF's own NUL check has another code; ours comes first.
        self.validators = [v for v in self.validators if type(v).__name__ != "ProhibitNullCharactersValidator"]

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Refuse other types before DRF looks at them."""
        if data is not serializers.empty and data is not None:
            if not isinstance(data, str):
                self.fail("invalid")
            if "\x00" in data:
                self.fail("nul")
        return super().run_validation(data)


class MerchantName(StrictString):
    """A merchant's name, as it may be registered."""

    default_error_messages = {"name": "1 to 64 letters, digits, '_', '-' or '.', starting with a letter or digit"}

    def to_internal_value(self, data: str) -> str:
        """Check the characters."""
        if not MERCHANT_NAME.fullmatch(data):
            self.fail("name")
        return data


class ShownName(StrictString):
    """1 to 200 characters of any script, to be shown to people: not blanks alone, no line breaks or
    other control characters.
    """

    default_error_messages = {"blank": "something that can be read is expected", "control": "control characters are not allowed"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=200, **kwargs)

    def to_internal_value(self, data: str) -> str:
        """Check the characters."""
        if not data.strip():
            self.fail("blank")
        if any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in data):
            self.fail("control")
        return data


class ReasonField(StrictString):
    """Why something is done, in words: 1 to 400 characters."""

    default_error_messages = {"blank": "a reason is expected, in words"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=400, **kwargs)

    def to_internal_value(self, data: str) -> str:
        """Refuse blanks alone."""
        if not data.strip():
            self.fail("blank")
        return data


class EmailAddress(StrictString):
    """A mail address."""

    default_error_messages = {"email": "a mail address is expected, as in receipts@shop.example"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=254, **kwargs)

    def to_internal_value(self, data: str) -> str:
        """Check its form."""
        try:
            validate_email(data)
        except DjangoValidationError:
            self.fail("email")
        return data


class StrictInteger(serializers.Field):
    """A JSON integer within bounds. ``true`` and ``1.0`` are none."""

    default_error_messages = {
        "invalid": "a JSON integer is expected",
        "min_value": "at least {limit} is expected",
        "max_value": "at most {limit} is expected",
    }

    def __init__(self, *, min_value: int | None = None, max_value: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.min_value, self.max_value = min_value, max_value

    def to_internal_value(self, data: object) -> int:
        """Check the type and the bounds."""
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        if self.min_value is not None and data < self.min_value:
            self.fail("min_value", limit=self.min_value)
        if self.max_value is not None and data > self.max_value:
            self.fail("max_value", limit=self.max_value)
        return data

    def to_representation(self, value: int) -> int:
        """As it is."""
        return value


class StrictBoolean(serializers.Field):
    """JSON true or false."""

    default_error_messages = {"invalid": "true or false is expected"}

    def to_internal_value(self, data: object) -> bool:
        """Check the type."""
        if not isinstance(data, bool):
            self.fail("invalid")
        return data

    def to_representation(self, value: bool) -> bool:
        """As it is."""
        return value


class Enumeration(serializers.ChoiceField):
    """One of a few words."""

    def __init__(self, choices: Sequence[str], **kwargs: Any) -> None:
        expected = f"one of {', '.join(choices)} is expected"
        super().__init__(choices, error_messages={"invalid_choice": expected, "blank": expected}, **kwargs)


class QueryBoolean(serializers.Field):
    """``true`` or ``false`` in a query string."""

    default_error_messages = {"invalid": "true or false is expected"}

    def to_internal_value(self, data: object) -> bool:
        """Read it."""
        if data not in {"true", "false"}:
            self.fail("invalid")
        return data == "true"

    def to_representation(self, value: bool) -> bool:
        """As it is."""
        return value


class MetadataField(serializers.Field):
    """A JSON object that can be kept as it is: at most 16 KiB, with numbers that do not change
    (kernel/metadata.py).
    """

    default_error_messages = {"invalid": "a JSON object is expected"}

    def to_internal_value(self, data: object) -> Mapping[str, object]:
        """Return it as it is kept."""
        if not isinstance(data, dict):
            self.fail("invalid")
        try:
            return keep_metadata(data)
        except MetadataRefused as refused:
            raise serializers.ValidationError(str(refused), code=refused.code) from None

    def to_representation(self, value: dict[str, object]) -> dict[str, object]:
        """As it is."""
        return value


class QueryNumber(serializers.Field):
    """A whole number in a query string, between two bounds."""

    default_error_messages = {"invalid": "a number from {low} to {high} is expected"}

    def __init__(self, low: int, high: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.min_value, self.max_value = low, high

    def to_internal_value(self, data: object) -> int:
        """Read it."""
        is_number = isinstance(data, str) and data.isascii() and data.isdigit() and len(data) <= len(str(self.max_value))
        if not is_number or not self.min_value <= int(str(data)) <= self.max_value:
            self.fail("invalid", low=self.min_value, high=self.max_value)
        return int(str(data))

    def to_representation(self, value: int) -> int:
        """As it is."""
        return value


class StrictUUID(serializers.Field):
    """A UUID in its canonical text form."""

    default_error_messages = {"invalid": "a UUID is expected, as in 0199c0de-0000-7000-8000-000000000000"}

    def to_internal_value(self, data: object) -> UUID:
        """Parse it."""
        if not isinstance(data, str) or not _UUID.fullmatch(data):
            self.fail("invalid")
        return UUID(data)

    def to_representation(self, value: UUID) -> str:
        """The canonical text."""
        return str(value)


class Timestamp(serializers.Field):
    """A moment in RFC 3339, with its offset."""

    default_error_messages = {"invalid": "an RFC 3339 time with offset is expected, as in 2026-01-31T12:00:00Z"}

    def to_internal_value(self, data: object) -> datetime:
        """Parse it; digits beyond microseconds are cut."""
        # In a query string, an unescaped + of an offset becomes a blank.
        text = re.sub(r" (\d{2}:\d{2})$", r"+\1", data) if isinstance(data, str) else ""
        match = _RFC3339.fullmatch(text)
        if match is None:
            self.fail("invalid")
        if match[1] and len(match[1]) > 7:
            text = text.replace(match[1], match[1][:7])
        try:
            return datetime.fromisoformat(text.upper().replace(" ", "T")).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail("invalid")

    def to_representation(self, value: datetime) -> str:
        """RFC 3339 in UTC."""
        return value.isoformat()
