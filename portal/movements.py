"""What a confirmed form does, and what it did before, in words.

In a sandbox, adding money is a deposit at once. Elsewhere it is a request, which an operator
confirms with the bank's reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings

from console.amounts import shown
from ledger_project.kernel.actors import Actor
from ledger_project.kernel.amount_input import AmountInput
from merchants.selectors import known_currency
from portal.middleware import request_id
from transfers.models import DepositRequest
from transfers.posting.jobs import Key
from transfers.selectors import get_transfer_now
from transfers.selectors.deposit_requests import find_deposit_request
from transfers.selectors.transfers import StoredTransfer
from transfers.services.deposit_requests import NewDepositRequest, request_deposit
from transfers.services.form_movements import Movement, MovementRequest, execute_form, find_done


@dataclass(frozen=True, slots=True)
class Done:
    """What a form did: in words, and when."""

    words: str
    at: datetime


def is_request(movement: Movement) -> bool:
    """Whether the movement is only asked for, and an operator decides about it."""
    return movement is Movement.ADD and not settings.LEDGER_SANDBOX


def carry_out(wanted: MovementRequest, *, actor: Actor, key: str) -> Done:
    """Do what a form says, at most once for its key.

    Raises ``IdempotencyKeyReused`` where the key stands for other content, the refusals of the
    movement, and ``Unavailable``: then the same form can be sent again.
    """
    if not is_request(wanted.movement):
        return _done(execute_form(wanted, actor=actor, key=key, request_id=request_id()))
    wallet = wanted.wallet
    asked = NewDepositRequest(wallet.merchant.name, wallet.currency.code, AmountInput(minor=wanted.amount_minor), wanted.memo)
    return _asked(request_deposit(asked, actor=actor, key=Key(actor.owner, key, wanted.fingerprint())))


def done_before(key: str, *, actor: Actor) -> Done | None:
    """Return what was done under the key of a form, None for a form that was not carried out."""
    found = find_done(key, actor=actor)
    return None if found is None else _done(found)


def _done(made: UUID) -> Done:
    transfer = get_transfer_now(made)
    if transfer is not None:
        return Done(_did(transfer.transfer), transfer.transfer.created_at)
    request = find_deposit_request(made)
    if request is None:
        raise LookupError(made)
    return _asked(request)


def _did(transfer: StoredTransfer) -> str:
    amount = shown(transfer.amount_minor, transfer.currency)
    if transfer.from_merchant is None:
        return f"{amount} came in."
    if transfer.to_merchant is None:
        return f"{amount} was withdrawn."
    return f"{amount} was sent to {transfer.to_merchant}, with a fee of {shown(transfer.fee_minor, transfer.currency)}."


def _asked(request: DepositRequest) -> Done:
    amount = shown(request.amount_minor, known_currency(request.currency_id))
    return Done(f"You asked for {amount}. It is in your wallet when an operator has seen it arrive.", request.created_at)
