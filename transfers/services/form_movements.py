"""Movements that members ask for by a form: each form counts once, however often it is sent.

A refusal is not kept under the form's key: a person corrects the form and sends it again. (The
API's keys keep refusals, for programs that repeat a request.) Synchronous.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from uuid import UUID

from django.conf import settings
from msgspec import Struct

from ledger_project.kernel.actors import Actor, PermissionDenied, Scope
from ledger_project.kernel.amount_input import AmountInput
from ledger_project.kernel.exact_json import dumps
from ledger_project.kernel.money import CurrencyUnit
from ledger_project.kernel.refusals import AccountNotFound
from merchants.domain import MerchantIdentity, WalletIdentity, fold, own_wallet
from merchants.selectors import identify_now
from transfers.domain.commands import Command, Deposit, Details, OpenAccount, Refuse, Withdraw
from transfers.domain.idempotency import record_id
from transfers.posting.jobs import Key
from transfers.posting.synchronous import post_now, post_or_forget
from transfers.selectors.idempotency import get_record
from transfers.services.transfers import TransferRequest, build_transfer, check_addressing


class Movement(StrEnum):
    """What a form does with money."""

    ADD = "add"
    """Bring money from outside: in a sandbox only, where money is not real."""
    SEND = "send"
    """Pay another merchant."""
    WITHDRAW = "withdraw"
    """Send money outside."""


class MovementRequest(Struct, frozen=True):
    """A form as it was understood. ``recipient`` is a merchant's name, "" if there is none."""

    movement: Movement
    wallet: WalletIdentity
    amount_minor: int
    recipient: str = ""
    memo: str | None = None

    def fingerprint(self) -> bytes:
        """SHA-256 of its content: equal for two forms that ask for the same."""
        content = [self.movement, str(self.wallet.id), str(self.amount_minor), fold(self.recipient), self.memo]
        return hashlib.sha256(dumps(content)).digest()


def execute_form(request: MovementRequest, *, actor: Actor, key: str, request_id: str) -> UUID:
    """Move money, at most once for the key. Return the transfer, also that of an earlier sending.

    Raises ``IdempotencyKeyReused`` where the key stands for other content, ``PermissionDenied``,
    ``SameAccount``, the refusals of the movement, and ``Unavailable``: then the same form can be
    sent again.
    """
    _require(actor, Scope.TRANSFERS_WRITE)
    details = Details(memo=request.memo, principal=actor.principal, request_id=request_id)
    command = _command(request, details, actor)
    if isinstance(command, Refuse):
        raise command.error
    result = post_or_forget(command, Key(actor.owner, key, request.fingerprint()))
    if result.refusal is not None:
        raise result.refusal
    return UUID(result.answer.body.decode())


def _require(actor: Actor, scope: Scope) -> None:
    if scope not in actor.scopes:
        raise PermissionDenied.lacks(scope)


def _command(request: MovementRequest, details: Details, actor: Actor) -> Command:
    wallet = own_wallet(actor, request.wallet)
    if wallet is None:
        return Refuse(AccountNotFound(request.wallet.id))
    match request.movement:
        case Movement.SEND:
            return _transfer(request, details, actor)
        case Movement.WITHDRAW:
            return Withdraw(wallet.merchant, wallet.currency, request.amount_minor, details)
        case Movement.ADD:
            if not settings.LEDGER_SANDBOX:
                raise PermissionDenied("Members add money in a sandbox only; here it comes by bank transfer.")
            return Deposit(wallet.merchant, wallet.currency, request.amount_minor, details)


def _transfer(request: MovementRequest, details: Details, actor: Actor) -> Command:
    wallet = request.wallet
    wanted = TransferRequest(
        amount=AmountInput(minor=request.amount_minor),
        details=details,
        from_merchant=wallet.merchant.name,
        to_merchant=request.recipient,
        currency=wallet.currency.code,
    )
    check_addressing(wanted)
    return build_transfer(wanted, identify_now(names=wanted.names()), wallet.currency, actor=actor)


def find_done(key: str, *, actor: Actor) -> UUID | None:
    """Return what was made under the key of a form: a transfer, or a request to add money.

    Returns None if nothing was.
    """
    record = get_record(UUID(record_id(actor.owner, key)))
    return None if record is None else UUID(record.body)


def open_wallet(merchant: MerchantIdentity, currency: CurrencyUnit, *, actor: Actor) -> None:
    """Open a merchant's wallet.

    Raises ``PermissionDenied``, ``AccountExists`` and the other refusals of a new account.
    """
    _require(actor, Scope.MERCHANTS_WRITE)
    if not actor.acts_for(merchant.id):
        raise PermissionDenied("This merchant is another one's.")
    (result,) = post_now([OpenAccount(merchant, currency)])
    if result.refusal is not None:
        raise result.refusal
