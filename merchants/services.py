"""Changes of states, of overdraft limits, and of what is known of merchants.

A posting takes the locks of its accounts, reads the states under them, and holds the locks until it
commits. Before a merchant has an account, the posting locks the merchant.

A freeze or a closing is *write, then barrier*. The merchant's status is written and committed. Then
the locks of its accounts are taken and given back: every posting that had not seen the status is
over, and every later one sees it. No lock of an account is held while something else is waited for.
The status of one account is in the row whose lock a posting takes, so its write is its own barrier.

Each change returns whether it changed anything: doing it twice is doing it once. Each raises
``AccountBusy`` while another transaction holds a lock that it needs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.models.expressions import RawSQL

from ledger_project.database import sqlstates
from ledger_project.kernel.actors import PermissionDenied
from ledger_project.kernel.errors import AccountBusy
from ledger_project.kernel.happenings import EventType, Happening, tell
from ledger_project.kernel.metadata import stored_json
from ledger_project.kernel.refusals import AccountClosed
from merchants.domain import TREASURY, AccountKind, Status, effective_status, fold
from merchants.models import Account, Merchant

_MERCHANT_EVENTS = {
    Status.ACTIVE: EventType.MERCHANT_UNFROZEN,
    Status.FROZEN: EventType.MERCHANT_FROZEN,
    Status.CLOSED: EventType.MERCHANT_CLOSED,
}
_ACCOUNT_EVENTS = {Status.ACTIVE: EventType.ACCOUNT_UNFROZEN, Status.FROZEN: EventType.ACCOUNT_FROZEN}


def set_merchant_status(merchant_id: UUID, status: Status) -> bool:
    """Freeze, unfreeze or close a merchant with all its accounts, also those that open later.

    Once the transaction has committed, the barrier follows, also where the status was so already:
    whoever wrote it may have died before the barrier. Where another transaction holds the lock of
    an account for long, it raises ``AccountBusy``, which says that the status is written.

    Raises ``AccountClosed`` if it is closed, which is for good, and ``PermissionDenied`` for
    closing the treasury: fees go there.
    """
    with state_change():
        merchant = lock_merchant(merchant_id)
        is_new = merchant.status != status
        if is_new:
            if merchant.status == Status.CLOSED:
                raise AccountClosed(merchant.name)
            if status is Status.CLOSED:
                check_closable(merchant)
            merchant.status = status.value
            merchant.save(update_fields=["status"])
            tell(Happening(_MERCHANT_EVENTS[status], merchant_id))
        if status is not Status.ACTIVE:
            transaction.on_commit(partial(wait_for_postings, merchant_id))
    return is_new


def wait_for_postings(merchant_id: UUID) -> None:
    """Take the locks of a merchant's accounts and give them back, as the barrier after a status
    that was committed.

    Raises ``AccountBusy`` if one of them cannot be had within ``LEDGER_IDEMPOTENCY_WAIT`` seconds.
    """
    give_up_at = time.monotonic() + settings.LEDGER_IDEMPOTENCY_WAIT
    accounts = Account.objects.filter(merchant_id=merchant_id).order_by("id").values_list("id", flat=True)
    with transaction.atomic():
        free = set(accounts.select_for_update(skip_locked=True))
    # One at a time: no posting waits for an account because of another one that is busy.
    for account_id in accounts:
        if account_id not in free:
            busy = AccountBusy(
                "The status is written: every posting that begins now sees it. Another session holds the lock of an account, so a "
                "posting that began before may not be over. Repeat the request to wait for it."
            )
            with state_change(wait_s=give_up_at - time.monotonic(), busy=busy):
                list(accounts.select_for_update().filter(id=account_id))


def check_closable(merchant: Merchant) -> None:
    """Raise ``PermissionDenied`` for the treasury."""
    if fold(merchant.name) == TREASURY:
        raise PermissionDenied("The treasury cannot be closed: what merchants pay in fees is settled into it.")


@contextmanager
def state_change(*, wait_s: float | None = None, busy: AccountBusy | None = None) -> Iterator[None]:
    """One transaction, which waits for a lock as long as a posting may, or for ``wait_s`` seconds.

    Raises ``AccountBusy``, or ``busy``, if it waited in vain.
    """
    limit_s = settings.LEDGER_IDEMPOTENCY_WAIT if wait_s is None else wait_s
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                # Zero would be no limit.
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{max(1, round(limit_s * 1000))}ms"])
            yield
    except OperationalError as error:
        if sqlstates.meaning_of(error) is sqlstates.LOCKED:
            raise (busy or AccountBusy()) from None
        raise


def lock_merchant(merchant_id: UUID) -> Merchant:
    """Lock a merchant: no posting opens its first account until this transaction ends.

    The lock lets other postings open further accounts, whose foreign keys read the merchant's row:
    they hold locks of accounts meanwhile, and would wait here in a circle.
    """
    return Merchant.objects.select_for_update(no_key=True).get(id=merchant_id)


def lock_all_accounts(merchant_id: UUID) -> None:
    """Lock all accounts of a merchant that is locked: no posting touches them, and none opens
    another one, until this transaction ends.

    Raises ``AccountBusy`` where a posting opened one while its lock was waited for.
    """
    accounts = Account.objects.filter(merchant_id=merchant_id).order_by("id").values_list("id", flat=True)
    locked = list(accounts.select_for_update())
    if list(accounts) != locked:
        raise AccountBusy


def set_account_status(account_id: UUID, status: Status) -> bool:
    """Freeze or unfreeze one account. Raises ``AccountClosed`` if it or its merchant is closed."""
    with state_change():
        account = _locked(account_id)
        if account.status == status:
            return False
        account.status = status.value
        account.save(update_fields=["status"])
        if account.kind == AccountKind.WALLET:  # callers know no other kind, and so does the feed
            tell(Happening(_ACCOUNT_EVENTS[status], account.merchant_id, account_id))
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
        tell(Happening(EventType.ACCOUNT_OVERDRAFT_CHANGED, account.merchant_id, account_id))
    return True


def _locked(account_id: UUID) -> Account:
    account = Account.objects.select_for_update(of=("self",)).select_related("merchant").get(id=account_id)
    if effective_status(account.status, account.merchant.status) is Status.CLOSED:
        raise AccountClosed(account.merchant.name, account.currency_id)
    return account


def change_merchant(merchant_id: UUID, changes: Mapping[str, Any]) -> None:
    """Set a merchant's ``display_name``, its ``receipt_email``, or its ``metadata`` as a whole.

    None takes a name or an address away. Raises ``AccountBusy`` as the other changes do.
    """
    with state_change():
        merchant = lock_merchant(merchant_id)
        values = {name: value for name, value in changes.items() if _differs(value, getattr(merchant, name))}
        if "metadata" in values:
            values["metadata"] = RawSQL("%s::jsonb", [stored_json(values["metadata"])])  # a parameter, no text
        if values:
            Merchant.objects.filter(id=merchant_id).update(**values)
            tell(Happening(EventType.MERCHANT_UPDATED, merchant_id))


def _differs(value: object, known: object) -> bool:
    """Whether a value is another one, also where Python calls them equal: 1, 1.0 and true."""
    return json.dumps(value, sort_keys=True) != json.dumps(known, sort_keys=True)
