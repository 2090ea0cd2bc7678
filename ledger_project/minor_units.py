"""The column type of amounts: ``NUMERIC(38, 0)`` in the database, ``int`` in Python, minor units in both."""

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from ledger_project.kernel.money import MAX_BALANCE_MINOR


def readable(*columns: str) -> str:
    """Return the SQL condition that columns hold amounts: NUMERIC's 'NaN' is above every number, and no integer is made of it.

    The tables' own rules keep it out. Whoever owns them may have got it in all the same; what reads many rows goes on without such a
    row, and ``reconcile`` names it.
    """
    return " AND ".join(f"{column} <= {MAX_BALANCE_MINOR}" for column in columns)


class MinorUnitsField(models.DecimalField):  # type: ignore[type-arg]
    """An amount in minor units. A ``DecimalField`` whose values are ``int``, so that no code meets a Decimal by accident."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_digits"], kwargs["decimal_places"] = 38, 0
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        """Leave out what is always the same."""
        name, path, args, kwargs = super().deconstruct()
        del kwargs["max_digits"], kwargs["decimal_places"]
        return name, path, args, kwargs

    def from_db_value(self, value: Decimal | None, _expression: object, _connection: object) -> int | None:
        """Return the stored amount as an integer."""
        return None if value is None else int(value)

    def to_python(self, value: Any) -> Any:
        """Return what a form gave as an integer. Raises ``ValidationError`` for a fraction: none is cut off."""
        decimal = super().to_python(value)
        if decimal is not None and decimal != decimal.to_integral_value():
            raise ValidationError("a whole number of minor units is expected", code="invalid")
        return None if decimal is None else int(decimal)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """Give the database an exact numeric."""
        if isinstance(value, int):
            value = Decimal(value)
        return super().get_db_prep_value(value, connection, prepared)

    def run_validators(self, value: Any) -> None:
        """Check the number of digits, as for any decimal."""
        super().run_validators(None if value is None else Decimal(value))
