"""Authorization: which transfers a caller may reverse, and which holds it may end.

A transfer or hold of two other merchants is answered as one that does not exist. The rules are in
``docs/authorization.md``.
"""

from __future__ import annotations

from ledger_project.kernel.actors import Actor, PermissionDenied
from ledger_project.kernel.refusals import InsufficientFunds, Refusal
from merchants.domain import MerchantIdentity, is_party
from transfers.domain.commands import HoldTerms, Original
from transfers.domain.outcome import Outcome, Refused
from transfers.posting.jobs import Answer, Render


def original_for(actor: Actor, original: Original | None, *, refund_fee: bool) -> Original | None:
    """Return a transfer that the caller may reverse; None if the caller is none of its parties.

    Raises ``PermissionDenied`` for the payer: money is given back, not taken back. Raises it also
    for a merchant that would refund the fee: the fee is the platform's money.
    """
    if refund_fee:
        actor.require_platform("Refunding a fee")
    if original is None or not is_party(actor, original.source, original.target):
        return None
    if original.target is not None and not actor.acts_for(original.target.id):
        raise PermissionDenied("Only the receiver of the money may send it back.")
    return original


def terms_for(actor: Actor, terms: HoldTerms | None) -> HoldTerms | None:
    """Return a hold that the caller may end; None if the caller is none of its parties.

    The receiver may capture or void the hold. Raises ``PermissionDenied`` for the payer.
    """
    if terms is None or not is_party(actor, terms.source, terms.target):
        return None
    if not actor.acts_for(terms.target.id):
        raise PermissionDenied("Only the receiver of the held money may capture or void the hold; a hold expires by itself.")
    return terms


class PayerShortOfFunds(Refusal):
    """The payer has too little money. The caller may not know how much the payer has."""

    code = InsufficientFunds.code
    title = InsufficientFunds.title

    def __init__(self) -> None:
        super().__init__("The payer has too little money.")


def discreet(render: Render, actor: Actor, payer: MerchantIdentity) -> Render:
    """Return a ``render`` that leaves the payer's balance out.

    A caller that acts for the payer gets the given one.
    """
    if actor.acts_for(payer.id):
        return render

    def without_balance(outcome: Outcome) -> Answer:
        return render(Refused(PayerShortOfFunds()) if isinstance(outcome.refusal, InsufficientFunds) else outcome)

    return without_balance
