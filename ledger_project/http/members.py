"""Members of bodies, queries and answers for which DRF has no word.

An amount is two members: ``name``, a decimal string in major units, and ``name_minor``, an integer
in minor units. ``Members`` declares both by one line, and ``amount_members`` writes both. A member
with the name of a Python keyword is declared with an underscore at its end: ``from_`` is ``from``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rest_framework import serializers

from ledger_project.http.fields import StrictInteger, StrictString
from ledger_project.kernel.money import MAJOR_UNITS, MAX_AMOUNT_MINOR, CurrencyUnit, format_minor

Json = dict[str, object]
Field = serializers.Field[Any, Any, Any, Any]


_MICROSECONDS = len("2026-01-31 23:59:59.500000")


def timestamp(moment: datetime) -> str:
    """Return RFC 3339 in UTC with microseconds, always of the same length."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def stored_timestamp(text: str) -> str:
    """Return the same for a time in UTC as PostgreSQL writes it (``timestamp without time zone``):
    ``2026-01-31 23:59:59.5`` has as many decimals as it needs.
    """
    if len(text) != _MICROSECONDS:
        text = (text if "." in text else f"{text}.").ljust(_MICROSECONDS, "0")
    return f"{text[:10]}T{text[11:]}Z"


def amount_members(name: str, amount_minor: int, currency: CurrencyUnit) -> Json:
    """Return the two members of an amount in an answer."""
    return {name: format_minor(amount_minor, currency.exponent), f"{name}_minor": amount_minor}


@dataclass(frozen=True, slots=True)
class AmountFields:
    """The declaration of an amount: a field for each of its two members."""

    major: Field
    minor: Field

    def named(self, name: str) -> dict[str, Field]:
        """Return the fields by the names of their members."""
        return {name: self.major, f"{name}_minor": self.minor}


def answered_amount(*, required: bool = True, help_text: str | None = None, max_minor: int | None = None) -> AmountFields:
    """Declare an amount of an answer."""
    major = serializers.CharField(required=required, help_text=help_text)
    return AmountFields(major, serializers.IntegerField(required=required, max_value=max_minor))


def requested_amount(*, help_text: str, help_text_minor: str) -> AmountFields:
    """Declare an amount of a body; ``schema_rules`` say which of the members is required."""
    major = StrictString(required=False, max_length=80, help_text=help_text)
    return AmountFields(major, StrictInteger(required=False, help_text=help_text_minor))


def amount_rules(name: str, *, min_minor: int) -> dict[str, Any]:
    """Return the JSON Schema of the two members of an amount in a body."""
    return {name: {"pattern": MAJOR_UNITS}, f"{name}_minor": {"minimum": min_minor, "maximum": MAX_AMOUNT_MINOR}}


def exactly_one(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a body that has one of the two members of an amount."""
    return {"oneOf": [{"required": [name]}, {"required": [f"{name}_minor"]}]}


def at_most_one(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a body that does not have both members of an amount."""
    return {"not": {"required": [name, f"{name}_minor"]}}


def _declared(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes with each field by the name of its member; an amount is two fields."""
    found: dict[str, Any] = {}
    for name, value in attributes.items():
        if isinstance(value, AmountFields):
            found |= value.named(name)
        else:
            found[name.rstrip("_") if isinstance(value, serializers.Field) else name] = value
    return found


class _MembersMeta(serializers.SerializerMetaclass):
    def __new__(cls, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> Any:
        return super().__new__(cls, name, bases, _declared(attributes))


class Members(serializers.Serializer[Any], metaclass=_MembersMeta):
    """A serializer that may declare amounts, and members with the name of a Python keyword."""
