"""Changing who may move money. Exact against postings that run at the same time.

A posting holds the locks of its accounts until it commits and reads states after it has them; so whoever locks a merchant's accounts
first, then writes the state, knows that every later posting sees it and every earlier one is over.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from ledger_project.kernel.errors import LedgerError
from merchants.domain import Status
from merchants.models import Account, Merchant


class StatusChangeRefused(LedgerError):
    """A closed merchant or account stays closed."""

    code = "status_change_refused"
    title = "Not possible"


def set_merchant_status(merchant_id: UUID, status: Status) -> Merchant:
    """Freeze, unfreeze or close a merchant: all its accounts, those that are opened later too. Raises ``StatusChangeRefused``."""
    with transaction.atomic():
        list(Account.objects.select_for_update().filter(merchant_id=merchant_id).order_by("id").values_list("id"))
        merchant = Merchant.objects.select_for_update().get(id=merchant_id)
        _check(merchant.status, status, merchant.name)
        merchant.status = status.value
        merchant.save(update_fields=["status"])
    return merchant


def set_account_status(account_id: UUID, status: Status) -> Account:
    """Freeze, unfreeze or close one account. Raises ``StatusChangeRefused``."""
    with transaction.atomic():
        account = Account.objects.select_for_update(of=("self",)).select_related("merchant").get(id=account_id)
        _check(account.status, status, f"the {account.currency_id} account of {account.merchant.name}")
        account.status = status.value
        account.save(update_fields=["status"])
    return account


def _check(current: str, wanted: Status, what: str) -> None:
    if current == Status.CLOSED:
        raise StatusChangeRefused(f"{what} is closed, and stays so.")
    if current == wanted:
        raise StatusChangeRefused(f"{what} is {wanted.value} already.")
