"""Changing who may move money. Exact against postings that run at the same time.

A posting holds the locks of its accounts until it commits and reads states after it has them; before the first account of a merchant
exists, it holds the merchant's. So whoever locks the merchant, writes the state, and then takes the locks of all its accounts, knows that
every later posting sees the state and every earlier one is over. Everybody locks the merchant first, then accounts in id order.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, connection, transaction
from psycopg.errors import LockNotAvailable

from ledger_project.kernel.errors import AccountBusy, LedgerError
from merchants.domain import Status
from merchants.models import Account, Merchant


class StatusChangeRefused(LedgerError):
    """A closed merchant or account stays closed."""

    code = "status_change_refused"
    title = "Not possible"


def set_merchant_status(merchant_id: UUID, status: Status) -> Merchant:
    """Freeze, unfreeze or close a merchant: all its accounts, those that are opened later too.

    Raises ``StatusChangeRefused``, and ``AccountBusy`` while somebody else holds the lock of one of them.
    """
    with state_change():
        merchant = lock_merchant(merchant_id)
        _check(merchant.status, status, merchant.name)
        merchant.status = status.value
        merchant.save(update_fields=["status"])
        lock_accounts(merchant_id)
    return merchant


@contextmanager
def state_change() -> Iterator[None]:
    """One transaction, which waits for a lock as long as a posting may. Raises ``AccountBusy`` where that is not long enough."""
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{round(settings.LEDGER_IDEMPOTENCY_WAIT * 1000)}ms"])
            yield
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            raise AccountBusy from None
        raise


def lock_merchant(merchant_id: UUID) -> Merchant:
    """Lock a merchant: nobody posts in a currency that is new to it until this transaction ends."""
    return Merchant.objects.select_for_update().get(id=merchant_id)


def lock_accounts(merchant_id: UUID) -> None:
    """Lock all accounts of a merchant, in id order: nothing is being posted on them until this transaction ends."""
    list(Account.objects.select_for_update().filter(merchant_id=merchant_id).order_by("id").values_list("id"))


def set_account_status(account_id: UUID, status: Status) -> Account:
    """Freeze, unfreeze or close one account. Raises ``StatusChangeRefused`` and ``AccountBusy``."""
    with state_change():
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
