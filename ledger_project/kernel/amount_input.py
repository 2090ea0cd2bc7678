"""An amount of a request, before its currency is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct

from ledger_project.kernel.errors import ValidationFailed
from ledger_project.kernel.money import CurrencyUnit, InvalidAmount, check_decimal, check_minor, parse_positive_major

T = TypeVar("T")


class AmountInput(Struct, frozen=True):
    """A decimal string in major units or an integer in minor units.

    A request must have exactly one.
    """

    major: str | None = None
    minor: int | None = None

    def resolve(self, currency: CurrencyUnit) -> int:
        """Return the amount in minor units.

        Raises ``ValidationFailed`` for both, neither, or an amount that cannot be moved.
        """
        return self._read(lambda major: parse_positive_major(major, currency))

    def checked(self, *, optional: bool = False) -> AmountInput:
        """Return it if it is an amount in some currency.

        Raises ``ValidationFailed``.

        ``optional``: it may be absent. An amount that is wrong in every currency is refused before
        the account is looked up.
        """
        if not (optional and self.is_absent):
            self._read(check_decimal)
        return self

    def _read(self, read_major: Callable[[str], T]) -> T | int:
        if (self.major is None) == (self.minor is None):
            code = "required" if self.major is None else "conflict"
            raise ValidationFailed.of("amount", code, 'send either "amount" (a string in major units) or "amount_minor" (an integer)')
        try:
            return read_major(self.major) if self.major is not None else check_minor(self.minor or 0)
        except InvalidAmount as error:
            raise ValidationFailed.of("amount_minor" if self.major is None else "amount", error.code, str(error)) from None

    @property
    def is_absent(self) -> bool:
        """Whether neither was given."""
        return self.major is None and self.minor is None

    def resolve_optional(self, currency: CurrencyUnit) -> int | None:
        """Return the amount in minor units, or None if none was given."""
        return None if self.is_absent else self.resolve(currency)
