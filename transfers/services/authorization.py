"""Whose transfers and holds are whose to end. What is another's is answered as what does not exist: ``docs/authorization.md``."""

from __future__ import annotations

from ledger_project.kernel.actors import Actor, PermissionDenied
from ledger_project.kernel.refusals import InsufficientFunds, Refusal
from merchants.domain import MerchantIdentity, is_party
from transfers.domain.commands import HoldTerms, Original
from transfers.domain.outcome import Outcome, Refused
from transfers.posting.jobs import Answer, Render


def original_for(actor: Actor, original: Original | None, *, refund_fee: bool) -> Original | None:
    """Return a transfer that the caller may send back; None if there is none that it may know of.

    Raises ``PermissionDenied`` for the payer (money is given back, not taken back) and for a merchant that would refund the fee, which
    is the platform's money.
    """
    if refund_fee:
        actor.require_platform("Refunding a fee")
    if original is None or not is_party(actor, original.source, original.target):
        return None
    if original.target is not None and not actor.acts_for(original.target.id):
        raise PermissionDenied("Only who received the money may send it back.")
    return original


def terms_for(actor: Actor, terms: HoldTerms | None) -> HoldTerms | None:
    """Return a hold that the caller may end; None if there is none that it may know of.

    The receiver may claim what is held for it, or renounce it. The payer may not: raises ``PermissionDenied``.
    """
    if terms is None or not is_party(actor, terms.source, terms.target):
        return None
    if not actor.acts_for(terms.target.id):
        raise PermissionDenied("Only who is to receive the held money may capture or void the hold; it expires by itself.")
    return terms


class PayerShortOfFunds(Refusal):
    """The payer's funds do not suffice, and how much there is, is not the caller's to know."""

    code = InsufficientFunds.code
    title = InsufficientFunds.title

    def __init__(self) -> None:
        super().__init__("The payer does not hold what is needed.")


def discreet(render: Render, actor: Actor, payer: MerchantIdentity) -> Render:
    """Return what writes the answer without the payer's balance, unless the caller acts for the payer."""
    if actor.acts_for(payer.id):
        return render

    def without_balance(outcome: Outcome) -> Answer:
        return render(Refused(PayerShortOfFunds()) if isinstance(outcome.refusal, InsufficientFunds) else outcome)

    return without_balance
