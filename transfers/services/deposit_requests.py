"""Requests to add money: a member asks, and an operator confirms with the bank's reference, or
declines.

A confirmation posts a deposit exactly once, whatever runs at once and wherever it is interrupted:
the transaction that posts the deposit locks the request, posts nothing unless it still waits, and
writes that it is confirmed, by which transfer. It is posted under a key of the request, so a second
confirmation waits for the first one. Accounts are locked first, then the request.

Synchronous, for reader threads and the admin. No function may be called inside a transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from uuid import UUID

from django.db import IntegrityError
from django.db.models import QuerySet
from django.db.models.functions import Now
from msgspec import Struct

from ledger_project.database import sqlstates
from ledger_project.database.fields import new_id
from ledger_project.kernel.actors import Actor, PermissionDenied, Scope
from ledger_project.kernel.amount_input import AmountInput
from ledger_project.kernel.errors import IdempotencyKeyReused, LedgerError
from ledger_project.kernel.refusals import AccountClosed, AccountFrozen, CurrencyInactive, MerchantNotFound
from merchants.domain import AccountKind, MerchantIdentity, Status, effective_status, own
from merchants.models import Account, Merchant
from merchants.selectors import find_currency_now, identify_now, is_active_now, known_currency, required_currency
from merchants.services import state_change
from transfers.domain.commands import Deposit, Details
from transfers.domain.deposit_requests import (
    KEY_OWNER,
    LONGEST_MEMO,
    LONGEST_REASON,
    LONGEST_REFERENCE,
    REQUEST_MEMBER,
    DepositRequestStatus,
    checked_text,
)
from transfers.domain.outcome import required
from transfers.models import DepositRequest
from transfers.posting.jobs import Alongside, Answer, Key, Result
from transfers.posting.synchronous import answer_once, post_or_forget
from transfers.selectors.deposit_requests import waiting_requests

MOST_PENDING = 20
"""Requests of one merchant that may wait at the same time."""


class DepositRequestRefused(LedgerError):
    """A request to add money that cannot be made, or cannot be decided so."""

    code = "deposit_request_refused"
    title = "Not possible"


class NewDepositRequest(Struct, frozen=True):
    """Money that a member says comes from outside, for a wallet."""

    merchant_name: str
    currency: str
    amount: AmountInput
    memo: str | None = None


class Decision(Struct, frozen=True):
    """What became of a request: the deposit (None if it was declined), and whether the same
    decision was made before.
    """

    transfer_id: UUID | None
    is_repeat: bool


class _DecidedMeanwhile(Exception):
    """Somebody has decided about the request since it was read."""


def request_deposit(wanted: NewDepositRequest, *, actor: Actor, key: Key | None) -> DepositRequest:
    """Keep a member's request to add money; under a key at most once. Nothing is posted.

    Raises ``PermissionDenied``, ``UnknownCurrency``, ``ValidationFailed``, ``MerchantNotFound``,
    ``CurrencyInactive``, ``AccountFrozen``, ``AccountClosed``, ``DepositRequestRefused`` for too
    many that wait, and what ``answer_once`` does. A refusal leaves the key free.
    """
    if Scope.TRANSFERS_WRITE not in actor.scopes:
        raise PermissionDenied.lacks(Scope.TRANSFERS_WRITE)
    unit = required_currency(wanted.currency, find_currency_now(wanted.currency))
    merchant = own(actor, identify_now(names=[wanted.merchant_name]).merchant(wanted.merchant_name))
    if merchant is None:
        raise MerchantNotFound(wanted.merchant_name)
    amount_minor = wanted.amount.resolve(unit)
    memo = checked_text("memo", wanted.memo, LONGEST_MEMO) if wanted.memo else None

    def insert() -> Answer:
        _check_may_receive(merchant, unit.code)
        made = DepositRequest.objects.create(
            id=new_id(place=merchant.id),
            merchant_id=merchant.id,
            currency_id=unit.code,
            amount_minor=amount_minor,
            memo=memo,
            principal=actor.principal,
        )
        return Answer(201, str(made.id).encode())

    with state_change():
        result = answer_once(key, insert)
        return DepositRequest.objects.get(id=UUID(result.answer.body.decode()))


def _check_may_receive(merchant: MerchantIdentity, currency: str) -> None:
    """Refuse early what a deposit would be refused for now. The posting judges it again."""
    # The lock lets one request of a merchant be counted at a time.
    status = Merchant.objects.select_for_update(no_key=True).values_list("status", flat=True).get(id=merchant.id)
    wallet = Account.objects.filter(merchant_id=merchant.id, currency_id=currency, kind=AccountKind.WALLET.value).first()
    match effective_status(Status.ACTIVE if wallet is None else wallet.status, status):
        case Status.FROZEN:
            raise AccountFrozen(merchant.name, currency)
        case Status.CLOSED:
            raise AccountClosed(merchant.name, currency)
        case _:
            pass
    if not is_active_now(currency):
        raise CurrencyInactive(currency)
    if waiting_requests().filter(merchant_id=merchant.id).count() >= MOST_PENDING:
        raise DepositRequestRefused(f"{MOST_PENDING} requests of {merchant.name} wait for an operator already; more can follow later.")


def confirm_deposit(
    request_id: UUID, bank_reference: str, *, principal: str, http_request_id: str, alongside: Alongside | None = None
) -> Decision:
    """Post the deposit of a request, exactly once, with the bank's reference as its external
    reference.

    ``principal`` is the operator. ``alongside`` writes in the transaction of the deposit; it is not
    called for a repetition. Raises ``ValidationFailed``, ``DepositRequestRefused`` (decided
    otherwise; the reference is that of another request), ``IdempotencyInProgress`` while another
    confirmation is under way, and the refusals of a deposit. ``DuplicateExternalReference`` is one:
    another deposit to this wallet has the reference. After a refusal the request still waits.
    """
    reference = checked_text("bank_reference", bank_reference, LONGEST_REFERENCE)
    waiting = _found(request_id)
    if waiting.status != DepositRequestStatus.PENDING:
        return _decided_so(waiting, reference)
    command = Deposit(
        MerchantIdentity(waiting.merchant_id, waiting.merchant.name),
        known_currency(waiting.currency_id),
        waiting.amount_minor,
        Details(waiting.memo, {REQUEST_MEMBER: str(request_id)}, reference, principal, http_request_id),
    )

    def confirmed(results: Sequence[Result]) -> None:
        _write_confirmed(request_id, reference, principal, required(results[0].transfer_id))
        if alongside is not None:
            alongside(results)

    key = Key(KEY_OWNER, str(request_id), hashlib.sha256(reference.encode()).digest())
    try:
        result = post_or_forget(command, key, alongside=confirmed)
    except _DecidedMeanwhile:
        return _decided_so(_found(request_id), reference)
    if result.replayed or isinstance(result.refusal, IdempotencyKeyReused):
        return _decided_so(_found(request_id), reference)
    if result.refusal is not None:
        raise result.refusal
    return Decision(required(result.transfer_id), is_repeat=False)


def _write_confirmed(request_id: UUID, reference: str, principal: str, transfer_id: UUID) -> None:
    """Write in the open transaction that a request is confirmed.

    Raises ``_DecidedMeanwhile`` unless it still waits, and ``DepositRequestRefused`` if the
    reference is that of another request.
    """
    waiting = _locked(request_id)
    if waiting.status != DepositRequestStatus.PENDING:
        raise _DecidedMeanwhile
    waiting.status = DepositRequestStatus.CONFIRMED.value
    waiting.bank_reference, waiting.transfer_id, waiting.decided_by, waiting.decided_at = reference, transfer_id, principal, Now()
    try:
        waiting.save(update_fields=["status", "bank_reference", "transfer", "decided_by", "decided_at"])
    except IntegrityError as error:
        if not sqlstates.violates(error, "deposit_request_reference_unique"):
            raise
        raise DepositRequestRefused(f"The bank's reference {reference!r} was used for another request; nothing is posted.") from None


def decline_deposit(request_id: UUID, reason: str, *, principal: str) -> Decision:
    """Decline a request, for a reason that its member reads.

    Raises ``ValidationFailed``, and ``DepositRequestRefused`` for a request that was decided
    otherwise.
    """
    words = checked_text("reason", reason, LONGEST_REASON)
    with state_change():
        waiting = _locked(request_id)
        if waiting.status == DepositRequestStatus.DECLINED and (waiting.reason, waiting.decided_by) == (words, principal):
            return Decision(None, is_repeat=True)
        if waiting.status != DepositRequestStatus.PENDING:
            raise _refused_as_decided(waiting)
        waiting.status = DepositRequestStatus.DECLINED.value
        waiting.reason, waiting.decided_by, waiting.decided_at = words, principal, Now()
        waiting.save(update_fields=["status", "reason", "decided_by", "decided_at"])
    return Decision(None, is_repeat=False)


def _decided_so(decided: DepositRequest, reference: str) -> Decision:
    """Return the confirmation of a request that is decided, if it was with this reference."""
    if decided.status == DepositRequestStatus.CONFIRMED and decided.bank_reference == reference:
        return Decision(decided.transfer_id, is_repeat=True)
    raise _refused_as_decided(decided)


def _refused_as_decided(decided: DepositRequest) -> DepositRequestRefused:
    if decided.status == DepositRequestStatus.CONFIRMED:
        words = f"confirmed with the reference {decided.bank_reference!r}, by transfer {decided.transfer_id}"
    else:
        words = f"declined: {decided.reason}"
    return DepositRequestRefused(f"This request was decided before. It was {words}.")


def _found(request_id: UUID) -> DepositRequest:
    """Return a request with its merchant. Raises ``DepositRequestRefused`` if there is none."""
    return _one_of(DepositRequest.objects.select_related("merchant"), request_id)


def _locked(request_id: UUID) -> DepositRequest:
    """Lock a request. Raises ``DepositRequestRefused`` if there is none."""
    return _one_of(DepositRequest.objects.select_for_update(no_key=True), request_id)


def _one_of(rows: QuerySet[DepositRequest], request_id: UUID) -> DepositRequest:
    found = rows.filter(id=request_id).first()
    if found is None:
        raise DepositRequestRefused(f"There is no request {request_id}.")
    return found
