"""The form of a reversal in the admin, and in words what it would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from console.amounts import shown, shown_number
from console.questions import ReasonForm
from fees.domain import Payer
from ledger_project.kernel.money import CurrencyUnit, InvalidAmount, parse_typed_major
from transfers.domain.commands import Original
from transfers.domain.reversals import fee_share

OUTSIDE = "outside"
"""The name of the other side of a deposit and of a withdrawal."""


class ReversalForm(ReasonForm):
    """How much goes back, and whether the fee goes back too."""

    amount = forms.CharField(
        required=False,
        strip=False,  # a character that is dropped here is a character that was not understood
        max_length=64,
        widget=UnfoldAdminTextInputWidget(),
        help_text="As in 1,050.00 or 1050.00. Empty is all that is left.",
    )
    refund_fee = forms.BooleanField(
        required=False, initial=True, label="Give the fee back too", widget=UnfoldBooleanSwitchWidget(), help_text="In proportion."
    )
    field_order = ("amount", "refund_fee", "reason")

    def __init__(self, *args: Any, unit: CurrencyUnit, **kwargs: Any) -> None:
        self.unit = unit
        super().__init__(*args, **kwargs)

    def clean_amount(self) -> int | None:
        """Return the amount in minor units; None for all that is left."""
        text = self.cleaned_data["amount"]
        try:
            return parse_typed_major(text, self.unit) if text else None
        except InvalidAmount as error:
            raise forms.ValidationError(str(error)) from None


def understood_reversal(original: Original, earlier_minor: list[int], values: Mapping[str, Any]) -> str:
    """Return in words what a reversal with these values would send back.

    ``earlier_minor`` are the amounts of the earlier reversals.
    """
    unit, left_minor = original.currency, original.amount_minor - sum(earlier_minor)
    amount_minor = left_minor if values.get("amount") is None else int(values["amount"])
    if amount_minor > left_minor:
        return f"{shown(amount_minor, unit)} is more than can go back: {shown(left_minor, unit)}."
    giver, taker = (party.name if party else OUTSIDE for party in (original.target, original.source))
    words = f"{shown(amount_minor, unit)} goes back from {giver} to {taker}"
    fee_minor = fee_share(
        fee_minor=original.fee_minor, original_minor=original.amount_minor, amount_minor=amount_minor, earlier_minor=earlier_minor
    )
    if values.get("refund_fee") and fee_minor:
        words += f", and {shown(fee_minor, unit)} of the fee to {taker if original.payer is Payer.SENDER else giver}"
    return f"{words}. Then {shown(left_minor - amount_minor, unit)} is left."


def reversal_state(amount_minor: int, earlier_minor: list[int], unit: CurrencyUnit) -> str:
    """Return in words how much of an amount went back and how much can still go back."""
    gone_minor = sum(earlier_minor)
    left = shown(amount_minor - gone_minor, unit)
    return f"{shown_number(gone_minor, unit)} of {shown(amount_minor, unit)} reversed, {left} left"
