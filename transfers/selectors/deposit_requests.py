"""Requests to add money, as their wallet's members see them. Synchronous."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from transfers.domain.deposit_requests import DepositRequestStatus
from transfers.models import DepositRequest

_RECENT = timedelta(days=30)


def find_deposit_request(request_id: UUID) -> DepositRequest | None:
    """Return a request of any merchant: whoever asks must know whose it is."""
    return DepositRequest.objects.filter(id=request_id).first()


def waiting_requests() -> QuerySet[DepositRequest]:
    """Return the requests that no operator has decided yet, the oldest first."""
    return DepositRequest.objects.filter(status=DepositRequestStatus.PENDING.value).order_by("id")


def list_waiting_requests(merchant_id: UUID, currency: str) -> list[DepositRequest]:
    """Return the requests of a wallet that no operator has decided yet, newest first.

    They are few: a merchant may have 20 that wait.
    """
    return list(waiting_requests().filter(merchant_id=merchant_id, currency_id=currency).reverse())


def list_shown_requests(merchant_id: UUID, *, currency: str, limit: int) -> list[DepositRequest]:
    """Return the requests of a wallet that wait, and those that were declined within 30 days,
    newest first. A confirmed one is a deposit of the wallet's history.
    """
    shown = Q(status=DepositRequestStatus.PENDING.value) | Q(status=DepositRequestStatus.DECLINED.value, decided_at__gt=Now() - _RECENT)
    return list(DepositRequest.objects.filter(shown, merchant_id=merchant_id, currency_id=currency).order_by("-id")[:limit])
