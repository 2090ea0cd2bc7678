"""A field for a merchant: its name is typed, and the page suggests names meanwhile."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextInputWidget

from console.completion import COMPLETED
from merchants.domain import MerchantIdentity
from merchants.selectors import identify_now
from merchants.selectors.name_search import suggest_names

SUGGESTED = 5
"""The most names that an error suggests."""


class MerchantField(forms.CharField):
    """The name of a merchant, in whole, regardless of case. Its value is a ``MerchantIdentity``.

    An optional one that is empty is None.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=64, widget=UnfoldAdminTextInputWidget(attrs={**COMPLETED}), **options)

    def clean(self, value: Any) -> MerchantIdentity | None:
        """Return the merchant. Raises ``ValidationError`` with names that are near."""
        name = super().clean(value)
        if not name:
            return None
        merchant = identify_now(names=[name]).merchant(name)
        if merchant is None:
            near = [suggested.name for suggested in suggest_names(name, limit=SUGGESTED)]
            meant = f" Perhaps it is {' or '.join(near)}." if near else ""
            raise ValidationError(f"No merchant has the name {name}.{meant}", code="unknown")
        return merchant
