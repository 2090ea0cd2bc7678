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
from ledger_project.kernel.errors import FieldError, ValidationFailed
from ledger_project.kernel.money import MAX_AMOUNT_MINOR, InvalidAmount, parse_major
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


def overdraft_change(account_id: UUID, limit: str | None, limit_minor: int | None) -> Change:
    """Return the change that sets a wallet's overdraft limit, in major units or in minor units.

    The change may raise ``AccountNotFound`` and ``ValidationFailed``.
    """

    def change() -> Changed:
        account = _wallet(account_id)
        wanted_minor = _limit_minor(account, limit, limit_minor)
        return account, f"Overdraft limit {wanted_minor} in minor units", set_overdraft_limit(account.id, wanted_minor)

    return change


def check_limit(limit: str | None, limit_minor: int | None) -> None:
    """Check the two spellings of a limit without its currency.

    Raises ``ValidationFailed`` for both spellings, for neither, and for a number out of range.
    """
    if (limit is None) == (limit_minor is None):
        detail = 'send either "overdraft_limit" (a string in major units) or "overdraft_limit_minor" (an integer)'
        raise ValidationFailed([FieldError("overdraft_limit", "required" if limit is None else "conflict", detail)])
    if limit_minor is not None and not 0 <= limit_minor <= MAX_AMOUNT_MINOR:
        raise ValidationFailed.of("overdraft_limit_minor", "max_value", "a limit is from 0 to 10^30 minor units")


def _limit_minor(account: Account, limit: str | None, limit_minor: int | None) -> int:
    """Return a limit in minor units; zero removes it. Raises ``ValidationFailed``."""
    if limit_minor is not None or limit is None:
        return limit_minor or 0
    try:
        return parse_major(limit, known_currency(account.currency_id))
    except InvalidAmount as error:
        raise ValidationFailed.of("overdraft_limit", error.code, str(error)) from None


def _wallet(account_id: UUID) -> Account:
    account = Account.objects.filter(id=account_id, kind=AccountKind.WALLET.value).first()
    if account is None:
        raise AccountNotFound(account_id)
    return account
