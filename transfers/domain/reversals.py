"""Reversals: how much of a transfer can still go back, and how much of its fee with it.

``REVERSAL_OUTCOMES`` says which reversal is refused; ``fee_share`` says what becomes of the fee.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from fees.domain import Payer
from ledger_project.kernel.money import Money
from ledger_project.kernel.refusals import AlreadyReversed, NotReversible, Refusal, ReversalExceedsOriginal
from merchants.domain import AccountKind
from transfers.domain.commands import ReverseTransfer
from transfers.domain.drafts import Draft, post_draft
from transfers.domain.kinds import REVERSIBLE_KINDS, EntryType, TransferKind
from transfers.domain.ledger import Ledger, Leg
from transfers.domain.outcome import Posted


class OriginalPhase(StrEnum):
    """The phase of an original: how much of it is reversed, if it can be at all."""

    NOT_REVERSIBLE = "not_reversible"
    UNREVERSED = "unreversed"
    PARTLY_REVERSED = "partly_reversed"
    FULLY_REVERSED = "fully_reversed"


class ReversalRequest(StrEnum):
    """The size of a reversal: within the amount that is not yet reversed, or beyond it."""

    WITHIN = "within"
    BEYOND = "beyond"


REVERSAL_OUTCOMES: Mapping[tuple[OriginalPhase, ReversalRequest], type[Refusal] | None] = {
    (OriginalPhase.NOT_REVERSIBLE, ReversalRequest.WITHIN): NotReversible,
    (OriginalPhase.NOT_REVERSIBLE, ReversalRequest.BEYOND): NotReversible,
    (OriginalPhase.UNREVERSED, ReversalRequest.WITHIN): None,
    (OriginalPhase.UNREVERSED, ReversalRequest.BEYOND): ReversalExceedsOriginal,
    (OriginalPhase.PARTLY_REVERSED, ReversalRequest.WITHIN): None,
    (OriginalPhase.PARTLY_REVERSED, ReversalRequest.BEYOND): ReversalExceedsOriginal,
    (OriginalPhase.FULLY_REVERSED, ReversalRequest.WITHIN): AlreadyReversed,
    (OriginalPhase.FULLY_REVERSED, ReversalRequest.BEYOND): AlreadyReversed,
}


def original_phase(kind: str, amount_minor: int, earlier_minor: Sequence[int]) -> OriginalPhase:
    """Return the phase of an original of this kind and amount after these earlier reversals."""
    if kind not in REVERSIBLE_KINDS:
        return OriginalPhase.NOT_REVERSIBLE
    reversed_minor = sum(earlier_minor)
    if reversed_minor >= amount_minor:
        return OriginalPhase.FULLY_REVERSED
    return OriginalPhase.PARTLY_REVERSED if reversed_minor else OriginalPhase.UNREVERSED


def fee_share(*, fee_minor: int, original_minor: int, amount_minor: int, earlier_minor: Sequence[int]) -> int:
    """Return the part of a fee that belongs to a reversal of ``amount_minor``, in minor units.

    The share is in proportion, rounded down. The reversal that completes the original gets the rest
    of the roundings, so that the shares of all parts add up to the fee exactly. If a part was
    reversed without its fee, no later reversal pays out its share.
    """
    if sum(earlier_minor) + amount_minor == original_minor:
        return fee_minor - sum(fee_minor * earlier // original_minor for earlier in earlier_minor)
    return fee_minor * amount_minor // original_minor


def reverse_transfer(command: ReverseTransfer, ledger: Ledger) -> Posted:
    """Receiver DEBIT amount, sender CREDIT amount.

    With a refund, the legs of the fee's share come first.
    """
    original = command.original
    earlier_minor = ledger.reversals.get(original.id, [])
    remaining_minor = original.amount_minor - sum(earlier_minor)
    amount_minor = remaining_minor if command.amount_minor is None else command.amount_minor
    request = ReversalRequest.BEYOND if amount_minor > remaining_minor else ReversalRequest.WITHIN
    outcome = REVERSAL_OUTCOMES[original_phase(original.kind, original.amount_minor, earlier_minor), request]
    if outcome is NotReversible or original.source is None or original.target is None:
        raise NotReversible(original.kind)
    currency = original.currency
    giver = ledger.account(original.target, currency, AccountKind.WALLET)
    taker = ledger.account(original.source, currency, AccountKind.WALLET)
    ledger.check_open(giver, taker)
    if outcome is AlreadyReversed:
        raise AlreadyReversed(original.id)
    if outcome is ReversalExceedsOriginal:
        raise ReversalExceedsOriginal(remaining=Money(remaining_minor, currency), requested=Money(amount_minor, currency))
    legs = _refund_legs(command, ledger, amount_minor, earlier_minor) if command.refund_fee else []
    legs += [Leg(giver, EntryType.REVERSAL, -amount_minor), Leg(taker, EntryType.REVERSAL, amount_minor)]
    draft = Draft(
        TransferKind.REVERSAL,
        original.target,
        original.source,
        giver,
        taker,
        currency,
        amount_minor,
        command.details,
        reverses=original.id,
    )
    transfer = post_draft(ledger, draft, legs)
    ledger.reversals.setdefault(original.id, []).append(amount_minor)
    return Posted(transfer=transfer)


def _refund_legs(command: ReverseTransfer, ledger: Ledger, amount_minor: int, earlier_minor: list[int]) -> list[Leg]:
    """Return the legs of the fee's refund.

    The payer's fee account pays what it has; the treasury pays what was swept from there already.
    """
    original, currency = command.original, command.original.currency
    payer = original.source if original.payer is Payer.SENDER else original.target
    share_minor = fee_share(
        fee_minor=original.fee_minor, original_minor=original.amount_minor, amount_minor=amount_minor, earlier_minor=earlier_minor
    )
    if share_minor == 0 or payer is None:
        return []
    fees = ledger.account(payer, currency, AccountKind.FEES)
    wallet = ledger.account(payer, currency, AccountKind.WALLET)
    from_fees_minor = share_minor if command.treasury is None else min(share_minor, fees.balance_minor)
    legs = []
    if from_fees_minor:
        legs.append(Leg(fees, EntryType.FEE_REFUND, -from_fees_minor))
    if share_minor > from_fees_minor and command.treasury is not None:
        treasury = ledger.account(command.treasury, currency, AccountKind.WALLET)
        legs.append(Leg(treasury, EntryType.FEE_REFUND, from_fees_minor - share_minor))
    return [*legs, Leg(wallet, EntryType.FEE_REFUND, share_minor)]
