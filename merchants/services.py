"""Changes of states, of overdraft limits, and of what is known of merchants.

A posting takes the locks of its accounts, reads the states under them, and holds the locks until it
commits. Before a merchant has an account, the posting locks the merchant. A change here locks the
merchant, writes the state, and then takes the locks of all the merchant's accounts. After that
every earlier posting is over, and every later one sees the state. All lock the merchant first, then
accounts in id order.

Each change returns whether it changed anything: doing it twice is doing it once. Each raises
``AccountBusy`` while another transaction holds a lock that it needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.models.expressions import RawSQL
from psycopg.errors import LockNotAvailable

from ledger_project.kernel.actors import PermissionDenied
from ledger_project.kernel.errors import AccountBusy
from ledger_project.kernel.metadata import stored_json
from ledger_project.kernel.refusals import AccountClosed
from merchants.domain import TREASURY, Status, effective_status, fold
from merchants.models import Account, Merchant


def set_merchant_status(merchant_id: UUID, status: Status) -> bool:
    """Freeze, unfreeze or close a merchant with all its accounts, also those that open later.

    Raises ``AccountClosed`` if it is closed, which is for good, and ``PermissionDenied`` for
    closing the treasury: fees go there.
    """
    with state_change():
        merchant = lock_merchant(merchant_id)
        if merchant.status == status:
            return False
        if merchant.status == Status.CLOSED:
            raise AccountClosed(merchant.name)
        if status is Status.CLOSED:
            check_closable(merchant)
        merchant.status = status.value
        merchant.save(update_fields=["status"])
        lock_accounts(merchant_id)
    return True


def check_closable(merchant: Merchant) -> None:
    """Raise ``PermissionDenied`` for the treasury."""
    if fold(merchant.name) == TREASURY:
        raise PermissionDenied("The treasury cannot be closed: what merchants pay in fees is settled into it.")


@contextmanager
def state_change() -> Iterator[None]:
    """One transaction, which waits for a lock as long as a posting may.

    Raises ``AccountBusy`` if it waited in vain.
    """
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
    """Lock a merchant: no posting opens an account of it until this transaction ends."""
    return Merchant.objects.select_for_update().get(id=merchant_id)


def lock_accounts(merchant_id: UUID) -> None:
    """Lock all accounts of a merchant: no posting touches them until this transaction ends."""
    list(Account.objects.select_for_update().filter(merchant_id=merchant_id).order_by("id").values_list("id"))


def set_account_status(account_id: UUID, status: Status) -> bool:
    """Freeze or unfreeze one account. Raises ``AccountClosed`` if it or its merchant is closed."""
    with state_change():
        account = _locked(account_id)
        if account.status == status:
            return False
        account.status = status.value
        account.save(update_fields=["status"])
    return True


def set_overdraft_limit(account_id: UUID, limit_minor: int) -> bool:
    """Set how far below zero a wallet may go.

    Raises ``AccountClosed`` if it or its merchant is closed. The limit may be less than what is
    overdrawn already: then credits come in and nothing goes out.
    """
    with state_change():
        account = _locked(account_id)
        if account.overdraft_limit_minor == limit_minor:
            return False
        account.overdraft_limit_minor = limit_minor
        account.save(update_fields=["overdraft_limit_minor"])
    return True


def _locked(account_id: UUID) -> Account:
    account = Account.objects.select_for_update(of=("self",)).select_related("merchant").get(id=account_id)
    if effective_status(account.status, account.merchant.status) is Status.CLOSED:
        raise AccountClosed(account.merchant.name, account.currency_id)
    return account


def change_merchant(merchant_id: UUID, changes: Mapping[str, Any]) -> None:
    """Set a merchant's ``display_name``, its ``receipt_email``, or its ``metadata`` as a whole.

    None takes a name or an address away.
    """
    values = dict(changes)
    if "metadata" in values:
        values["metadata"] = RawSQL("%s::jsonb", [stored_json(values["metadata"])])  # a parameter, no text
    if values:
        Merchant.objects.filter(id=merchant_id).update(**values)
