"""Requests to add money: a member asks, and an operator confirms with the bank's reference, or
declines.

A confirmation posts a deposit exactly once, whatever runs at once and wherever it is interrupted:

1. One transaction locks the request, and writes the bank's reference and the number of the attempt.
2. The deposit is posted under the key of the attempt. Its metadata names the request.
3. Another transaction writes that the request is confirmed, by which transfer.

Whoever comes after an interruption between 2 and 3 finds the deposit by the reference and finishes
it. An attempt with another reference, and declining, first use the key of the attempt before up: so
that attempt has posted already, which is found, or can never post.

Synchronous, for reader threads and the admin. No function may be called inside a transaction.
"""

from __future__ import annotations

import hashlib
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
    attempt_key,
    checked_text,
)
from transfers.models import DepositRequest, ExternalReference, Transfer
from transfers.posting.jobs import Alongside, Answer, Key
from transfers.posting.synchronous import answer_once, post_or_forget

MOST_PENDING = 20
"""Requests of one merchant that may wait at the same time."""

_ABANDONED = b"abandoned"


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
    """The attempt before has posted a deposit."""


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
    if _pending().filter(merchant_id=merchant.id).count() >= MOST_PENDING:
        raise DepositRequestRefused(f"{MOST_PENDING} requests of {merchant.name} wait for an operator already; more can follow later.")


def confirm_deposit(
    request_id: UUID, bank_reference: str, *, principal: str, http_request_id: str, alongside: Alongside | None = None
) -> Decision:
    """Post the deposit of a request, exactly once, with the bank's reference as its external
    reference.

    ``principal`` is the operator. ``alongside`` writes in the transaction of the deposit; it is not
    called for a repetition. Raises ``ValidationFailed``, ``DepositRequestRefused`` (decided
    otherwise; the reference is that of another request), ``IdempotencyInProgress`` while another
    attempt is under way, and the refusals of a deposit. ``DuplicateExternalReference`` is one:
    another deposit to this wallet has the reference. After a refusal the request still waits.
    """
    reference = checked_text("bank_reference", bank_reference, LONGEST_REFERENCE)
    try:
        waiting = _begin_attempt(request_id, reference)
    except _DecidedMeanwhile:
        waiting = None
    if waiting is None:
        _finish(request_id)
        return _decided_so(request_id, reference)
    command = Deposit(
        MerchantIdentity(waiting.merchant_id, waiting.merchant.name),
        known_currency(waiting.currency_id),
        waiting.amount_minor,
        Details(waiting.memo, {REQUEST_MEMBER: str(request_id)}, reference, principal, http_request_id),
    )
    result = post_or_forget(command, _key(waiting), alongside=alongside)
    if isinstance(result.refusal, IdempotencyKeyReused):
        raise DepositRequestRefused("Another operator has decided about this request just now; look at it again.")
    if result.refusal is not None:
        _release(waiting)
        raise result.refusal
    _finish(request_id)
    return Decision(UUID(result.answer.body.decode()), result.replayed)


def _release(tried: DepositRequest) -> None:
    """Give the reference of a refused attempt back: it may be that of another request."""
    try:
        with state_change():
            waiting = _locked(tried.id)
            if waiting.status == DepositRequestStatus.PENDING and waiting.attempt == tried.attempt:
                _abandon(waiting)
                waiting.bank_reference = None
                waiting.attempt += 1
                waiting.save(update_fields=["bank_reference", "attempt"])
    except _DecidedMeanwhile:
        _finish(tried.id)


def _begin_attempt(request_id: UUID, reference: str) -> DepositRequest | None:
    """Write the reference of an attempt; return the request, or None if it is decided or its
    deposit is posted.
    """
    try:
        with state_change():
            waiting = _locked(request_id)
            if waiting.status != DepositRequestStatus.PENDING or _deposit_of(waiting) is not None:
                return None
            if waiting.bank_reference != reference:
                _abandon(waiting)
                waiting.bank_reference = reference
                waiting.attempt += 1
                waiting.save(update_fields=["bank_reference", "attempt"])
            return waiting
    except IntegrityError as error:
        if not sqlstates.violates(error, "deposit_request_reference_unique"):
            raise
        raise DepositRequestRefused(f"The bank's reference {reference!r} was used for another request; nothing is posted.") from None


def decline_deposit(request_id: UUID, reason: str, *, principal: str) -> Decision:
    """Decline a request, for a reason that its member reads.

    Raises ``ValidationFailed``, ``DepositRequestRefused`` for a request that was decided otherwise,
    and ``IdempotencyInProgress`` while a confirmation is under way.
    """
    words = checked_text("reason", reason, LONGEST_REASON)
    _finish(request_id)
    try:
        with state_change():
            waiting = _locked(request_id)
            if waiting.status == DepositRequestStatus.DECLINED and (waiting.reason, waiting.decided_by) == (words, principal):
                return Decision(None, is_repeat=True)
            if waiting.status != DepositRequestStatus.PENDING:
                raise _refused_as_decided(waiting)
            _abandon(waiting)
            waiting.status = DepositRequestStatus.DECLINED.value
            waiting.bank_reference, waiting.reason, waiting.decided_by, waiting.decided_at = None, words, principal, Now()
            waiting.save(update_fields=["status", "bank_reference", "reason", "decided_by", "decided_at"])
    except _DecidedMeanwhile:
        _finish(request_id)
        raise _refused_as_decided(DepositRequest.objects.get(id=request_id)) from None
    return Decision(None, is_repeat=False)


def _abandon(waiting: DepositRequest) -> None:
    """Use the key of the attempt up, so that it can never post.

    Raises ``_DecidedMeanwhile`` if it has posted.
    """
    if waiting.bank_reference is None:
        return
    owner, key, _ = _key(waiting)
    try:
        answer_once(Key(owner, key, hashlib.sha256(_ABANDONED).digest()), lambda: Answer(409, _ABANDONED))
    except IdempotencyKeyReused:
        raise _DecidedMeanwhile from None


def _finish(request_id: UUID) -> None:
    """Write that a request is confirmed, if its deposit is posted."""
    with state_change():
        waiting = _locked(request_id)
        posted = _deposit_of(waiting) if waiting.status == DepositRequestStatus.PENDING else None
        if posted is not None:
            waiting.status = DepositRequestStatus.CONFIRMED.value
            waiting.transfer_id, waiting.decided_by, waiting.decided_at = posted.id, posted.principal, posted.created_at
            waiting.save(update_fields=["status", "transfer", "decided_by", "decided_at"])


def _deposit_of(waiting: DepositRequest) -> Transfer | None:
    """Return the deposit that the last attempt has posted."""
    if waiting.bank_reference is None:
        return None
    wallets = Account.objects.filter(merchant_id=waiting.merchant_id, currency_id=waiting.currency_id, kind=AccountKind.WALLET.value)
    named = ExternalReference.objects.filter(reference=waiting.bank_reference, account__in=wallets).values("transfer_id")
    return Transfer.objects.filter(id__in=named, **{f"metadata__{REQUEST_MEMBER}": str(waiting.id)}).first()


def _decided_so(request_id: UUID, reference: str) -> Decision:
    """Return the confirmation of a request that is decided, if it was with this reference."""
    decided = DepositRequest.objects.get(id=request_id)
    if decided.status == DepositRequestStatus.CONFIRMED and decided.bank_reference == reference:
        return Decision(decided.transfer_id, is_repeat=True)
    raise _refused_as_decided(decided)


def _refused_as_decided(decided: DepositRequest) -> DepositRequestRefused:
    if decided.status == DepositRequestStatus.CONFIRMED:
        words = f"confirmed with the reference {decided.bank_reference!r}, by transfer {decided.transfer_id}"
    else:
        words = f"declined: {decided.reason}"
    return DepositRequestRefused(f"This request was decided before. It was {words}.")


def _key(waiting: DepositRequest) -> Key:
    """Return the key of the attempt that a request is at. It is the same for every operator."""
    content = f"{waiting.id} {waiting.attempt} {waiting.bank_reference}"
    return Key(KEY_OWNER, attempt_key(waiting.id, waiting.attempt), hashlib.sha256(content.encode()).digest())


def _locked(request_id: UUID) -> DepositRequest:
    """Lock a request. Raises ``DepositRequestRefused`` if there is none."""
    found = DepositRequest.objects.select_for_update(of=("self",), no_key=True).select_related("merchant").filter(id=request_id).first()
    if found is None:
        raise DepositRequestRefused(f"There is no request {request_id}.")
    return found


def _pending() -> QuerySet[DepositRequest]:
    return DepositRequest.objects.filter(status=DepositRequestStatus.PENDING.value)
