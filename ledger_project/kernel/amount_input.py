"""An amount of a request, before its currency is known."""

from __future__ import annotations

from msgspec import Struct

from ledger_project.kernel.errors import ValidationFailed
from ledger_project.kernel.money import CurrencyUnit, InvalidAmount, check_decimal, check_minor, parse_major, parse_positive_major


class AmountInput(Struct, frozen=True):
    """A decimal string in major units or an integer in minor units.

    A request must have exactly one. ``name`` is the member of the first spelling; that of the other
    one has ``_minor`` behind it.
    """

    major: str | None = None
    minor: int | None = None
    name: str = "amount"
    may_be_zero: bool = False

    def resolve(self, currency: CurrencyUnit) -> int:
        """Return the amount in minor units.

        Raises ``ValidationFailed`` for both, neither, or an amount that cannot be moved.
        """
        self._check_one()
        try:
            if self.major is None:
                return self._checked_minor()
            return parse_major(self.major, currency) if self.may_be_zero else parse_positive_major(self.major, currency)
        except InvalidAmount as error:
            raise self._wrong(error) from None

    def checked(self, *, optional: bool = False) -> AmountInput:
        """Return it if it is an amount in some currency.

        Raises ``ValidationFailed``.

        ``optional``: it may be absent. An amount that is wrong in every currency is refused before
        the account is looked up.
        """
        if optional and self.is_absent:
            return self
        self._check_one()
        try:
            if self.major is None:
                self._checked_minor()
            else:
                check_decimal(self.major, may_be_zero=self.may_be_zero)
        except InvalidAmount as error:
            raise self._wrong(error) from None
        return self

    def _checked_minor(self) -> int:
        return 0 if self.minor == 0 and self.may_be_zero else check_minor(self.minor or 0)

    def _check_one(self) -> None:
        if (self.major is None) == (self.minor is None):
            code = "required" if self.major is None else "conflict"
            detail = f'send either "{self.name}" (a string in major units) or "{self.name}_minor" (an integer)'
            raise ValidationFailed.of(self.name, code, detail)

    def _wrong(self, error: InvalidAmount) -> ValidationFailed:
        return ValidationFailed.of(f"{self.name}_minor" if self.major is None else self.name, error.code, str(error))

    @property
    def is_absent(self) -> bool:
        """Whether neither was given."""
        return self.major is None and self.minor is None

    def resolve_optional(self, currency: CurrencyUnit) -> int | None:
        """Return the amount in minor units, or None if none was given."""
        return None if self.is_absent else self.resolve(currency)
