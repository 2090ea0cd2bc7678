"""Requests to add money, as their wallet's members see them. Synchronous."""

from __future__ import annotations

from uuid import UUID

from transfers.domain.deposit_requests import DepositRequestStatus
from transfers.models import DepositRequest


def find_deposit_request(request_id: UUID) -> DepositRequest | None:
    """Return a request of any merchant: whoever asks must know whose it is."""
    return DepositRequest.objects.filter(id=request_id).first()


def list_waiting_requests(merchant_id: UUID, currency: str) -> list[DepositRequest]:
    """Return the requests of a wallet that no operator has decided yet, newest first.

    They are few: a merchant may have 20 that wait.
    """
    mine = DepositRequest.objects.filter(merchant_id=merchant_id, currency_id=currency)
    return list(mine.filter(status=DepositRequestStatus.PENDING.value).order_by("-id"))
