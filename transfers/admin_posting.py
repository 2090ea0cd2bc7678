"""Operators' postings: through the engine like everybody's, under a key of their own, with who and why in the journal."""

from __future__ import annotations

import hashlib
from typing import Any

from django import forms
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from ledger_project.admin_base import ReasonForm
from ledger_project.kernel.access import PLATFORM_OWNER
from ledger_project.kernel.errors import InvalidAmount, LedgerError
from ledger_project.kernel.money import Currency, parse_positive_major
from merchants.models import new_id
from transfers.domain.commands import Command, Details
from transfers.jobs import Key
from transfers.services.posting_now import post_now


class RefusedBefore(LedgerError):
    """The same form was sent before, and the ledger refused it then; it stays refused."""

    code = "refused_before"
    title = "Refused"


def post_for(request: HttpRequest, command: Command, token: str) -> tuple[str, bool]:
    """Post an operator's command under a key of its own, so that a double click moves money once.

    Returns the id of the transfer and whether it was posted before, by the same form. Raises what the ledger refuses, then as now.
    """
    fingerprint = hashlib.sha256(request.path.encode()).digest()
    (result,) = post_now([command], keys=[Key(PLATFORM_OWNER, f"admin-{token}", fingerprint)])
    if result.outcome is not None and result.outcome.refusal is not None:
        raise result.outcome.refusal
    if result.answer.status_code >= 400:
        raise RefusedBefore(f"This form was sent before and refused: {result.answer.body.decode()}.")
    return result.answer.body.decode(), result.replayed


def details_for(request: HttpRequest, reason: str) -> Details:
    """Return what the journal keeps of an operator's posting: the reason, who, and the request."""
    return Details(memo=reason, principal=f"admin:{request.user.pk}", request_id=getattr(request, "id", "") or str(new_id()))


class ReversalForm(ReasonForm):
    """How much goes back, and whether its fee does."""

    amount = forms.CharField(required=False, max_length=64, widget=UnfoldAdminTextInputWidget(), help_text="Empty is all that is left.")
    refund_fee = forms.BooleanField(
        required=False, initial=True, label="Give the fee back too", widget=UnfoldBooleanSwitchWidget(), help_text="In proportion."
    )
    field_order = ("amount", "refund_fee", "reason")

    def __init__(self, *args: Any, unit: Currency, **kwargs: Any) -> None:
        self.unit = unit
        super().__init__(*args, **kwargs)

    def clean_amount(self) -> int | None:
        """Parse it, in major units."""
        text = self.cleaned_data["amount"].strip().replace(",", "")
        try:
            return parse_positive_major(text, self.unit) if text else None
        except InvalidAmount as error:
            raise forms.ValidationError(str(error)) from None
