"""Operators' actions by the API: states of merchants and wallets, and overdraft limits.

Each action has a reason, which is kept, and may have an idempotency key. An action that is repeated
changes nothing more. Synchronous, for reader threads.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.db import transaction
from msgspec import Struct

from ledger_project.kernel.actors import Actor
from ledger_project.kernel.amount_input import AmountInput
from ledger_project.kernel.refusals import AccountNotFound, MerchantNotFound, Refusal
from merchants.domain import AccountKind, MerchantIdentity, Status
from merchants.models import Account, Merchant
from merchants.selectors import known_currency
from merchants.services import set_account_status, set_merchant_status, set_overdraft_limit, state_change, wait_for_postings
from people.operator_log import keep_api_change
from transfers.posting.jobs import Answer, Key, Result
from transfers.posting.synchronous import answer_once
from transfers.services.merchant_closure import close_merchant

Changed = tuple[Merchant | Account, str, bool]
"""The object of an action, the action in words, and whether it changed anything."""

Change = Callable[[], Changed]


class Request(Struct, frozen=True):
    """An operator's request: the caller, the reason, the key, and how the answer is written.

    ``render`` writes a refusal, or for None the object as it is now. ``barrier`` is the merchant
    whose earlier postings are over when the request is answered, also by a replay: the first
    request may have failed between its commit and its barrier.
    """

    actor: Actor
    reason: str
    key: Key | None
    render: Callable[[Refusal | None], Answer]
    barrier: UUID | None = None


def perform(change: Change, request: Request) -> Result:
    """Make a change, keep its reason if anything changed, and answer with the object as it is now.

    The key stores a refusal too. Raises ``ValidationFailed``, all that ``answer_once`` does, and
    ``AccountBusy`` after the commit where the barrier was not reached.
    """
    with state_change():
        result = answer_once(request.key, lambda: request.render(_changed(change, request)))
    if result.replayed and result.answer.status_code < 400 and request.barrier is not None:
        wait_for_postings(request.barrier)
    return result


def _changed(change: Change, request: Request) -> Refusal | None:
    try:
        with transaction.atomic():
            obj, what, is_new = change()
            if is_new:
                keep_api_change(obj, what, request.reason, actor=request.actor)
    except Refusal as refusal:
        return refusal
    return None


def merchant_change(name: str, merchant: MerchantIdentity | None, status: Status, what: str) -> Change:
    """Return the change that freezes, unfreezes or closes a merchant.

    The change raises ``MerchantNotFound`` for None.
    """

    def change() -> Changed:
        if merchant is None:
            raise MerchantNotFound(name)
        is_new = close_merchant(merchant.id) if status is Status.CLOSED else set_merchant_status(merchant.id, status)
        return Merchant.objects.get(id=merchant.id), what, is_new

    return change


def account_change(account_id: UUID, status: Status, what: str) -> Change:
    """Return the change that freezes or unfreezes a wallet. It may raise ``AccountNotFound``."""

    def change() -> Changed:
        account = _wallet(account_id)
        return account, what, set_account_status(account.id, status)

    return change


def overdraft_change(account_id: UUID, limit: AmountInput) -> Change:
    """Return the change that sets a wallet's overdraft limit; zero removes it.

    The change may raise ``AccountNotFound`` and ``ValidationFailed``.
    """

    def change() -> Changed:
        account = _wallet(account_id)
        limit_minor = limit.resolve(known_currency(account.currency_id))
        return account, f"Overdraft limit {limit_minor} in minor units", set_overdraft_limit(account.id, limit_minor)

    return change


def _wallet(account_id: UUID) -> Account:
    account = Account.objects.filter(id=account_id, kind=AccountKind.WALLET.value).first()
    if account is None:
        raise AccountNotFound(account_id)
    return account
