"""Why a reversal gave back this part of a fee, in words, and how much of a fee went back."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db.models import Sum

from console.amounts import shown, shown_number
from fees.domain import Payer
from ledger_project.kernel.money import CurrencyUnit
from transfers.domain.kinds import Direction, EntryType
from transfers.domain.reversals import fee_share
from transfers.models import LedgerEntry, Transfer


def refunded_minor(reversal_ids: Collection[UUID]) -> int:
    """Return how much of fees these reversals gave back, in minor units."""
    refunds = LedgerEntry.objects.filter(
        transfer_id__in=list(reversal_ids), type=EntryType.FEE_REFUND.value, direction=Direction.CREDIT.value
    )
    return int(refunds.aggregate(sum=Sum("amount_minor"))["sum"] or 0)


def refund_facts(reversal: Transfer, original: Transfer, unit: CurrencyUnit) -> tuple[list[tuple[str, str]], str]:
    """Return in words which part of the original's fee a reversal gave back and why, as named
    facts; and a warning if another amount was posted than the part that belongs to it.
    """
    earlier = Transfer.objects.filter(reverses_id=original.id, id__lt=reversal.id).order_by("id").values_list("amount_minor", flat=True)
    earlier_minor = [int(amount_minor) for amount_minor in earlier]
    share_minor = fee_share(
        fee_minor=original.fee_minor,
        original_minor=original.amount_minor,
        amount_minor=reversal.amount_minor,
        earlier_minor=earlier_minor,
    )
    posted_minor = refunded_minor([reversal.id])
    is_sender = original.fee_schedule is None or original.fee_schedule.payer == Payer.SENDER.value
    payer = (original.source if is_sender else original.target).merchant.name
    given = f"{shown(posted_minor, unit)}, to {payer}" if posted_minor else "nothing"
    if share_minor and not posted_minor:
        given += ": it was reversed without the fee"
    facts = [("Fee given back", given), ("Its part of the fee", _share_words(reversal, original, earlier_minor, share_minor, unit))]
    if posted_minor in {0, share_minor}:
        return facts, ""
    return facts, f"{shown(posted_minor, unit)} of the fee went back, but the part of this reversal is {shown(share_minor, unit)}."


def _share_words(reversal: Transfer, original: Transfer, earlier_minor: list[int], share_minor: int, unit: CurrencyUnit) -> str:
    fee, whole = shown_number(original.fee_minor, unit), shown_number(original.amount_minor, unit)
    share = shown_number(share_minor, unit)
    if earlier_minor and sum(earlier_minor) + reversal.amount_minor == original.amount_minor:
        parts_minor = [original.fee_minor * minor // original.amount_minor for minor in earlier_minor]
        return f"it completes the reversal, so the rest: {fee} − {shown_number(sum(parts_minor), unit)} for the earlier parts = {share}"
    if reversal.amount_minor == original.amount_minor:
        return f"all of {fee}: the whole amount goes back"
    part = f"{fee} × {shown_number(reversal.amount_minor, unit)} / {whole}"
    is_exact = original.fee_minor * reversal.amount_minor % original.amount_minor == 0
    return f"{part} = {share}" if is_exact else f"{part}, rounded down → {share}"
