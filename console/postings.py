"""Operators' postings: through the engine like everybody's, under a key of their own, with who and why in the journal."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from console.amounts import shown
from console.pages import ReasonForm
from fees.domain import Payer
from ledger_project.database.fields import new_id
from ledger_project.kernel.actors import PLATFORM_OWNER
from ledger_project.kernel.errors import IdempotencyKeyReused, LedgerError
from ledger_project.kernel.exact_json import dumps
from ledger_project.kernel.money import Currency, InvalidAmount, parse_typed_major
from transfers.domain.commands import Command, Details, Original
from transfers.domain.reversals import fee_share
from transfers.models import IdempotencyRecord
from transfers.posting.jobs import Key
from transfers.posting.synchronous import post_or_forget


class FormCarriedOut(LedgerError):
    """The form was carried out before with another content; nothing happens now."""

    code = "form_carried_out"
    title = "Nothing was done"


def post_for(request: HttpRequest, command: Command, values: Mapping[str, Any]) -> tuple[UUID, bool]:
    """Post an operator's command, once for each form that was shown.

    The form's token is the idempotency key, all else that was filled in its fingerprint. So the same form with the same content (a
    double click) is posted once, and another content under a token that was used is refused. What the ledger refuses leaves the key
    free: nothing moved, so the form can be corrected and sent again.

    Returns the id of the transfer, and whether it was posted before. Raises ``FormCarriedOut``, and what the ledger refuses.
    """
    content = {name: value for name, value in values.items() if name != "token"}
    fingerprint = hashlib.sha256(dumps([request.user.pk, request.path, content])).digest()
    key = Key(PLATFORM_OWNER, f"admin-{values['token']}", fingerprint)
    result = post_or_forget(command, key)
    refusal = result.refusal
    if isinstance(refusal, IdempotencyKeyReused):
        raise _carried_out(key)
    if refusal is not None:
        raise refusal
    return UUID(result.answer.body.decode()), result.replayed


def _carried_out(key: Key) -> FormCarriedOut:
    record = IdempotencyRecord.objects.filter(owner=key.owner, key=key.key).first()
    before = "by another request" if record is None else f"with transfer {record.body}"
    return FormCarriedOut(f"This form was carried out before, {before}, and its content was another one. Go back and open it again.")


def details_for(request: HttpRequest, reason: str) -> Details:
    """Return what the journal keeps of an operator's posting: the reason, who, and the request."""
    return Details(memo=reason, principal=f"admin:{request.user.pk}", request_id=getattr(request, "id", "") or str(new_id()))


class ReversalForm(ReasonForm):
    """How much goes back, and whether its fee does."""

    amount = forms.CharField(
        required=False,
        strip=False,  # a character that is dropped here is one that nobody understood
        max_length=64,
        widget=UnfoldAdminTextInputWidget(),
        help_text="As in 1,050.00 or 1050.00. Empty is all that is left.",
    )
    refund_fee = forms.BooleanField(
        required=False, initial=True, label="Give the fee back too", widget=UnfoldBooleanSwitchWidget(), help_text="In proportion."
    )
    field_order = ("amount", "refund_fee", "reason")

    def __init__(self, *args: Any, unit: Currency, **kwargs: Any) -> None:
        self.unit = unit
        super().__init__(*args, **kwargs)

    def clean_amount(self) -> int | None:
        """Parse it, in major units."""
        text = self.cleaned_data["amount"]
        try:
            return parse_typed_major(text, self.unit) if text else None
        except InvalidAmount as error:
            raise forms.ValidationError(str(error)) from None


def understood_reversal(original: Original, earlier_minor: list[int], values: Mapping[str, Any]) -> str:
    """Return what a reversal with these values would send back, in words, before it is posted.

    ``earlier_minor`` are the amounts of the reversals that were made already.
    """
    unit, left_minor = original.currency, original.amount_minor - sum(earlier_minor)
    amount_minor = left_minor if values.get("amount") is None else int(values["amount"])
    if amount_minor > left_minor:
        return f"{shown(amount_minor, unit)} is more than can go back: {shown(left_minor, unit)}."
    giver, taker = (party.name if party else "outside" for party in (original.target, original.source))
    words = f"{shown(amount_minor, unit)} goes back from {giver} to {taker}"
    fee_minor = fee_share(
        fee_minor=original.fee_minor, original_minor=original.amount_minor, amount_minor=amount_minor, earlier_minor=earlier_minor
    )
    if values.get("refund_fee") and fee_minor:
        words += f", and {shown(fee_minor, unit)} of the fee to {taker if original.payer is Payer.SENDER else giver}"
    return f"{words}. Then {shown(left_minor - amount_minor, unit)} is left."
