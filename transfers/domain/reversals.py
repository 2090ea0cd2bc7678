"""How much of a transfer can still be reversed, and how much of its fee comes back, as data and arithmetic."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from ledger_project.kernel.refusals import AlreadyReversed, NotReversible, Refusal, ReversalExceedsOriginal
from transfers.domain.kinds import REVERSIBLE_KINDS


class OriginalPhase(StrEnum):
    """Where an original stands."""

    NOT_REVERSIBLE = "not_reversible"
    UNREVERSED = "unreversed"
    PARTLY_REVERSED = "partly_reversed"
    FULLY_REVERSED = "fully_reversed"


class ReversalRequest(StrEnum):
    """What is asked, measured by what is left."""

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
    """Return where an original of this kind and amount stands after earlier reversals of these amounts."""
    if kind not in REVERSIBLE_KINDS:
        return OriginalPhase.NOT_REVERSIBLE
    reversed_minor = sum(earlier_minor)
    if reversed_minor >= amount_minor:
        return OriginalPhase.FULLY_REVERSED
    return OriginalPhase.PARTLY_REVERSED if reversed_minor else OriginalPhase.UNREVERSED


def fee_share(*, fee_minor: int, original_minor: int, amount_minor: int, earlier_minor: Sequence[int]) -> int:
    """Return the part of a fee that belongs to a reversal of ``amount_minor``, in minor units.

    In proportion, rounded down; the reversal that completes the original brings what the roundings left over, so that the shares of a
    full reversal in parts add up to exactly the fee. A part reversed without refund keeps its own share: it is not paid out later.
    """
    if sum(earlier_minor) + amount_minor == original_minor:
        return fee_minor - sum(fee_minor * earlier // original_minor for earlier in earlier_minor)
    return fee_minor * amount_minor // original_minor
