"""Reversals: what went back of a transfer."""

from __future__ import annotations

from uuid import UUID

from transfers.models import Transfer


def earlier_reversals(transfer_id: UUID) -> list[int]:
    """Return the amounts of the reversals of a transfer in minor units, oldest first."""
    amounts = Transfer.objects.filter(reverses_id=transfer_id).order_by("id").values_list("amount_minor", flat=True)
    return [int(amount_minor) for amount_minor in amounts]
