"""What forms of postings share: amounts as people type them, and the memo."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from console.questions import ReasonForm
from ledger_project.kernel.money import CurrencyUnit, InvalidAmount, parse_typed_major
from merchants.models import Currency
from merchants.selectors import known_currency


def amount_field(**options: Any) -> forms.CharField:
    """Return a field for an amount in major units. ``typed_amount`` reads it."""
    # A character that is dropped here would be a character that was not understood.
    return forms.CharField(strip=False, max_length=64, widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}), **options)


def typed_amount(text: str, unit: CurrencyUnit) -> int:
    """Return an amount in minor units. Raises ``ValidationError`` in words."""
    try:
        return parse_typed_major(text, unit)
    except InvalidAmount as error:
        raise forms.ValidationError(str(error)) from None


def _choices() -> list[tuple[str, str]]:
    names = Currency.objects.filter(is_active=True).order_by("code").values_list("code", "name")
    return [("", "Choose a currency"), *((code, f"{code}, {name}") for code, name in names)]


class CurrencyField(forms.TypedChoiceField):
    """A currency that is switched on. Its value is a ``CurrencyUnit``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=_choices, coerce=known_currency, widget=UnfoldAdminSelectWidget(), empty_value=None, **options)


class PostingForm(ReasonForm):
    """The reason of a posting, which the merchants read in their statements."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = "Kept for good as the memo of the transfer: the merchants read it."
