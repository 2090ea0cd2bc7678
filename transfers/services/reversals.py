"""Reversals of transfers and captures."""

from __future__ import annotations

from uuid import UUID

from ledger_project.kernel.actors import Actor
from ledger_project.kernel.amount_input import AmountInput
from ledger_project.kernel.refusals import TransferNotFound
from merchants.domain import TREASURY
from merchants.selectors import identify, identify_now
from transfers import selectors
from transfers.domain.commands import Details, Original, Refuse, ReverseTransfer
from transfers.domain.refusals import RefusedKind, Wanted
from transfers.posting.engine import submit_one
from transfers.posting.jobs import Key, Render, Result, Submit
from transfers.services import authorization


async def reverse_transfer(
    transfer_id: UUID,
    amount: AmountInput,
    details: Details,
    *,
    refund_fee: bool,
    actor: Actor,
    key: Key | None,
    render: Render,
    submit: Submit = submit_one,
) -> Result:
    """Send the money of a transfer or capture back: all that is not yet reversed, or an amount.

    Raises ``PermissionDenied`` for the payer, and for a merchant that would refund the fee.
    """
    original = authorization.original_for(actor, await selectors.find_original(transfer_id), refund_fee=refund_fee)
    if original is None:
        wanted = Wanted(RefusedKind.REVERSAL, principal=details.principal)
        return await submit(Refuse(TransferNotFound(transfer_id), wanted), key, render)
    amount_minor = amount.resolve_optional(original.currency)
    treasury = (await identify(names=[TREASURY])).merchant(TREASURY) if refund_fee else None
    return await submit(ReverseTransfer(original, amount_minor, refund_fee, treasury, details), key, render)


def operator_reversal(original: Original, amount_minor: int | None, details: Details, *, refund_fee: bool) -> ReverseTransfer:
    """Return the command of an operator's reversal. Synchronous.

    Without an amount, all that is not yet reversed goes back.
    """
    treasury = identify_now(names=[TREASURY]).merchant(TREASURY) if refund_fee else None
    return ReverseTransfer(original, amount_minor, refund_fee, treasury, details)
