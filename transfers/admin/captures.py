"""Captures of holds by operators: all of the held money or a part, with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import action

from console.amounts import shown
from console.balances import expected_balances, posted_balances
from console.outcomes import Done, posting
from console.posting_forms import PostingForm, amount_field, typed_amount
from console.postings import details_for
from console.questions import Question, ask
from ledger_project.kernel.money import CurrencyUnit
from ledger_project.kernel.refusals import FeeExceedsAmount
from transfers.admin.journal import JournalAdmin
from transfers.domain.charges import Charge, charge_by
from transfers.domain.commands import CaptureHold, HoldTerms
from transfers.domain.hold_outcomes import share_reserve
from transfers.domain.outcome import required
from transfers.models import Hold
from transfers.selectors import find_hold_terms


class CaptureForm(PostingForm):
    """How much the receiver takes of a hold."""

    amount = amount_field(required=False, help_text="As in 1,050.00 or 1050.00. Empty is all of it; the rest goes back.")
    field_order = ("amount", "reason")

    def __init__(self, *args: Any, unit: CurrencyUnit, **kwargs: Any) -> None:
        self.unit = unit
        super().__init__(*args, **kwargs)

    def clean_amount(self) -> int | None:
        """Return the amount in minor units; None for all of it."""
        text = self.cleaned_data["amount"]
        return typed_amount(text, self.unit) if text else None


class CaptureAdmin(JournalAdmin):
    """An admin of holds with the action that captures one."""

    def has_capture_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whether the user may capture holds."""
        del object_id
        return request.user.has_perm("transfers.capture_hold")

    @action(description="Capture", url_path="capture", permissions=["capture"])
    def capture_action(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Pay out of the hold, and give the rest back."""
        hold: Hold = self.wanted_object(request, object_id)
        question = capture_question(request, required(find_hold_terms(hold.id)))
        return ask(self, request, hold, question, reverse("admin:transfers_hold_change", args=[object_id]))


def capture_question(request: HttpRequest, terms: HoldTerms) -> Question:
    """Return the question before the capture of a hold."""
    unit, payer, receiver = terms.currency, terms.source.name, terms.target.name

    def command(values: dict[str, Any]) -> CaptureHold:
        return CaptureHold(terms, values["amount"], details_for(request, values["reason"]))

    def told(transfer_id: UUID | None, values: dict[str, Any]) -> Done:
        made = required(transfer_id)
        return Done(f"Captured {shown(_captured(terms, values), unit)} by {made}", numbers=posted_balances(made))

    return Question(
        "Capture this hold",
        f"{payer} put {shown(terms.reserved_minor, unit)} aside for {receiver}: {shown(terms.amount_minor, unit)} and the fee."
        " A hold is captured once, and what is not captured goes back.",
        posting(request, command, told),
        partial(CaptureForm, unit=unit),
        is_posting=True,
        operation=command,
        understood=partial(_understood, terms),
        state=lambda values: expected_balances(command({"reason": "", **values})),
        repeats="Captured ",
    )


def _captured(terms: HoldTerms, values: Mapping[str, Any]) -> int:
    amount_minor: int | None = values.get("amount")
    return terms.amount_minor if amount_minor is None else amount_minor


def _charge(terms: HoldTerms, amount_minor: int) -> Charge | FeeExceedsAmount:
    """Return the fee of a capture, which the hold's own schedule sets; or why there is none."""
    try:
        return charge_by(terms.schedule, terms.currency, amount_minor)
    except FeeExceedsAmount as error:
        return error


def _understood(terms: HoldTerms, values: Mapping[str, Any]) -> str:
    """Return in words where the held money would go."""
    unit, payer, receiver = terms.currency, terms.source.name, terms.target.name
    amount_minor = _captured(terms, values)
    if amount_minor > terms.amount_minor:
        return f"{shown(amount_minor, unit)} is more than was put aside for {receiver}: {shown(terms.amount_minor, unit)}."
    charge = _charge(terms, amount_minor)
    if isinstance(charge, FeeExceedsAmount):
        return f"This will be refused. {charge}"
    shares = share_reserve(terms.reserved_minor, captured_minor=amount_minor, fee_minor=charge.sender_fee_minor)
    words = [f"{receiver} gets {shown(amount_minor - charge.receiver_fee_minor, unit)} of {shown(terms.amount_minor, unit)}."]
    if charge.fee_minor:
        words.append(f"The fee is {shown(charge.fee_minor, unit)}; {payer if charge.sender_fee_minor else receiver} pays it.")
    beyond_minor = charge.sender_fee_minor - shares.fees_minor
    if beyond_minor:
        words.append(f"{shown(beyond_minor, unit)} of it comes from the wallet of {payer}: the hold is too small for it.")
    words.append(f"{shown(shares.payer_minor, unit)} goes back to {payer}." if shares.payer_minor else "Nothing goes back.")
    return " ".join(words)
