"""Counterparties: with whom a wallet has moved money before."""

from __future__ import annotations

from uuid import UUID

from merchants.selectors import parties_now
from transfers.domain.kinds import TransferKind
from transfers.models import Transfer

LOOKED_AT = 200
"""How many of the newest transfers in each direction are looked at."""

_KINDS = (TransferKind.TRANSFER.value, TransferKind.CAPTURE.value)


def list_counterparties_now(account_id: UUID) -> list[str]:
    """Return the names of merchants that a wallet paid or was paid by, the newest first.

    From synchronous code. Two round trips; one more for merchants that this process has not seen.
    """
    met: dict[str, UUID] = {}
    for side, other in (("source_id", "target_id"), ("target_id", "source_id")):
        rows = Transfer.objects.filter(**{side: account_id}).order_by("-id").values_list("id", "kind", other)[:LOOKED_AT]
        for transfer_id, kind, account in rows:
            if kind in _KINDS:
                met[str(account)] = max(transfer_id, met.get(str(account), transfer_id))
    known = parties_now(met)
    newest: dict[str, None] = {}
    for account, _ in sorted(met.items(), key=lambda one: one[1], reverse=True):
        newest.setdefault(known[account].name)
    return list(newest)
