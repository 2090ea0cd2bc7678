"""The fields of the money form, and what was understood of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from console.amounts import shown
from ledger_project.kernel.errors import FieldError, LedgerError, SameAccount, ValidationFailed
from ledger_project.kernel.money import InvalidAmount, format_minor, parse_typed_major
from ledger_project.kernel.refusals import BalanceLimitExceeded, FeeExceedsAmount, InsufficientFunds, MerchantNotFound
from merchants.domain import WalletIdentity, fold
from merchants.selectors import identify_now
from portal.balances import Wallet
from portal.movements import is_request
from transfers.services.form_movements import Movement, MovementRequest
from transfers.services.quotes import quote_now

_MEMO = 140
"""The longest memo of the form. The ledger keeps longer ones; a line of a statement does not."""


class MoneyForm(forms.Form):
    """Amount, recipient and memo, as a person types them."""

    amount = forms.CharField(max_length=64, error_messages={"required": "Type an amount, as in 12.50."})
    recipient = forms.CharField(max_length=64, required=False)
    memo = forms.CharField(max_length=_MEMO, required=False)

    def __init__(self, values: Mapping[str, Any] | None, *, wallet: WalletIdentity, movement: Movement) -> None:
        super().__init__(values)
        self._wallet, self._movement = wallet, movement
        if movement is not Movement.SEND:
            del self.fields["recipient"]

    def clean_amount(self) -> int:
        """Return the minor units of a typed amount."""
        try:
            return parse_typed_major(self.cleaned_data["amount"], self._wallet.currency)
        except InvalidAmount as error:
            words = str(error)
            raise ValidationError(f"{words[:1].upper()}{words[1:]}.", code=error.code) from None

    def clean_recipient(self) -> str:
        """Return the name of the recipient as it is registered."""
        name: str = self.cleaned_data["recipient"]
        if not name:
            raise ValidationError("Type the name of the recipient.", code="required")
        if fold(name) == fold(self._wallet.merchant.name):
            raise ValidationError(str(SameAccount()), code=SameAccount.code)
        found = identify_now(names=[name]).merchant(name)
        if found is None:
            raise ValidationError(str(MerchantNotFound(name)), code=MerchantNotFound.code)
        return found.name

    def understood(self) -> MovementRequest:
        """Return what a valid form asks for."""
        return MovementRequest(
            movement=self._movement,
            wallet=self._wallet,
            amount_minor=self.cleaned_data["amount"],
            recipient=self.cleaned_data.get("recipient", ""),
            memo=self.cleaned_data["memo"] or None,
        )


def field_of(error: LedgerError) -> str | None:
    """Return the field that a refusal is about, None if it is about none."""
    if isinstance(error, InsufficientFunds | BalanceLimitExceeded | FeeExceedsAmount):
        return "amount"
    return "recipient" if isinstance(error, MerchantNotFound | SameAccount) else None


@dataclass(frozen=True, slots=True)
class Cost:
    """What a movement costs now, in texts with the currency, and its words under the amount.

    ``fee_minor`` goes with the form to its confirmation: another fee is shown before it is paid.
    """

    amount: str
    fee: str
    fee_minor: str
    total: str
    receives: str
    words: str
    is_short: bool


def cost_of(request: MovementRequest, wallet: Wallet) -> Cost:
    """Return what a movement costs now. Raises the refusals of a quote."""
    unit, amount_minor = wallet.currency, request.amount_minor
    fee_minor, total_minor, receives_minor = 0, amount_minor, amount_minor
    if request.movement is Movement.SEND:
        quote = quote_now(wallet.merchant, unit, amount_minor)
        fee_minor, total_minor, receives_minor = quote.fee_minor, quote.total_debit_minor, quote.receiver_gets_minor
    plain = [format_minor(one, unit.exponent) for one in (fee_minor, total_minor, receives_minor)]
    is_short = request.movement is not Movement.ADD and total_minor > wallet.available_minor
    return Cost(
        amount=shown(amount_minor, unit),
        fee=shown(fee_minor, unit),
        fee_minor=str(fee_minor),
        total=shown(total_minor, unit),
        receives=shown(receives_minor, unit),
        words=_words(request, plain, wallet, is_short=is_short),
        is_short=is_short,
    )


def _words(request: MovementRequest, plain: list[str], wallet: Wallet, *, is_short: bool) -> str:
    fee, total, receives = plain
    match request.movement:
        case Movement.SEND:
            words = f"Fee {fee}, you pay {total}, {request.recipient or 'the recipient'} gets {receives}."
        case Movement.WITHDRAW:
            words = f"No fee. {total} leaves this wallet."
        case Movement.ADD if is_request(Movement.ADD):
            words = f"No fee. {receives} comes in when an operator has seen it arrive."
        case _:
            words = f"No fee. {receives} comes in."
    return f"{words} That is more than the {wallet.available} that are available." if is_short else words


def refusal_words(error: LedgerError) -> str:
    """Return a refusal for people: its own words, without the names of JSON members."""
    if isinstance(error, ValidationFailed):
        return " ".join(_detail(one) for one in error.errors)
    return str(error)


def _detail(error: FieldError) -> str:
    return f"{error.detail[:1].upper()}{error.detail[1:]}."
