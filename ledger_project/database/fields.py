"""Column types that all apps share: amounts, ids, and the values of an enumeration.

Migrations see them as Django's own fields: history does not depend on these classes.
"""

import uuid
from decimal import Decimal
from enum import StrEnum
from typing import Any

import uuid_utils
from django.core.exceptions import ValidationError
from django.db import models

from ledger_project.kernel.ids import beside
from ledger_project.kernel.money import MAX_BALANCE_MINOR


def readable(*columns: str) -> str:
    """Return the SQL condition that columns hold amounts: NUMERIC's 'NaN' is above every number.

    The tables' rules keep 'NaN' out, but their owner may have stored one. Queries of many rows
    leave such a row out, and ``reconcile`` names it.
    """
    return " AND ".join(f"{column} <= {MAX_BALANCE_MINOR}" for column in columns)


def new_id(*, place: uuid.UUID | None = None) -> uuid.UUID:
    """Return a UUIDv7 for a row that callers will see.

    Accounts and holds lie beside their merchant: ``place`` is its id (kernel/ids.py).
    """
    made = uuid.UUID(int=uuid_utils.uuid7().int)
    return made if place is None else beside(made, place)


def values(enumeration: type[StrEnum]) -> list[str]:
    """Return the plain values of an enumeration, for a CHECK constraint."""
    return [member.value for member in enumeration]


def one_of(enumeration: type[StrEnum]) -> str:
    """Return the pattern of an enumeration's values, for a CHECK constraint of a table that is
    written all the time: PostgreSQL prepares a list of values anew for each INSERT.
    """
    return f"^({'|'.join(enumeration)})$"


class IdField(models.UUIDField):  # type: ignore[type-arg]  # Django's takes none at run time
    """The primary key of a row that callers see: a UUIDv7, made in Python."""

    def __init__(self, **kwargs: Any) -> None:
        defaults: dict[str, Any] = {"primary_key": True, "default": new_id, "editable": False}
        super().__init__(**defaults | kwargs)

    def deconstruct(self) -> Any:
        """Look like a ``UUIDField`` without a default to migrations: the database makes no ids."""
        name, _, args, kwargs = super().deconstruct()
        del kwargs["default"]
        return name, "django.db.models.UUIDField", args, kwargs


class MinorUnitsField(models.DecimalField):  # type: ignore[type-arg]  # Django's takes none at run time
    """An amount in minor units: ``NUMERIC(38, 0)`` in the database, ``int`` in Python.

    No code meets a Decimal.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_digits"], kwargs["decimal_places"] = 38, 0
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        """Look like a ``DecimalField`` to migrations: the column is one."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.DecimalField", args, kwargs

    def from_db_value(self, value: Decimal | None, _expression: object, _connection: object) -> int | None:
        """Return the stored amount as an integer."""
        return None if value is None else int(value)

    def to_python(self, value: Any) -> Any:
        """Return a form's value as an integer. Raises ``ValidationError`` for a fraction."""
        decimal = super().to_python(value)
        if decimal is not None and decimal != decimal.to_integral_value():
            raise ValidationError("a whole number of minor units is expected", code="invalid")
        return None if decimal is None else int(decimal)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """Return the value as an exact numeric."""
        if isinstance(value, int):
            value = Decimal(value)
        return super().get_db_prep_value(value, connection, prepared)

    def run_validators(self, value: Any) -> None:
        """Check the number of digits, as for any decimal."""
        super().run_validators(None if value is None else Decimal(value))
