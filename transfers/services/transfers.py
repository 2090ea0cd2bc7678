"""Transfers between merchants, and quotes: what a transfer would cost.

A builder turns a request into a command: names become identities, amounts become minor units. It raises ``InvalidRequest`` for
a fault of the request itself: nothing is stored under its key. A fault that depends on stored things which callers can change
(an unknown merchant, say) becomes a ``Refuse`` command, so that its key gives the same answer for good. A source that the caller
may not debit is treated as one that does not exist, in the answer, in the order of checks and under the key.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from msgspec import Struct

from fees.domain import Payer, Schedule
from ledger_project.database.readers import in_reader
from ledger_project.kernel.actors import Actor
from ledger_project.kernel.amount_input import AmountInput
from ledger_project.kernel.errors import FieldError, SameAccount, ValidationFailed
from ledger_project.kernel.money import Currency
from ledger_project.kernel.refusals import AccountNotFound, CurrencyInactive, CurrencyMismatch, FeeNotConfigured, MerchantNotFound
from merchants.domain import fold, own, own_wallet
from merchants.selectors import Identities, find_currency, identify, is_active_now, required_currency
from transfers import selectors
from transfers.domain.charges import charge_by
from transfers.domain.commands import Command, Details, Refuse, TransferFunds
from transfers.posting.engine import submit_one
from transfers.posting.jobs import Key, Render, Result


class TransferRequest(Struct, frozen=True):
    """Move money between two merchants (by name, with a currency) or two wallets (by id); one addressing or the other."""

    amount: AmountInput
    details: Details
    from_merchant: str | None = None
    to_merchant: str | None = None
    currency: str | None = None
    source_account_id: UUID | None = None
    dest_account_id: UUID | None = None


async def execute_transfer(request: TransferRequest, *, actor: Actor, key: Key | None, render: Render) -> Result:
    """Move money from one merchant to another with the fee that applies.

    Raises ``ValidationFailed``, ``SameAccount``, ``UnknownCurrency`` (nothing stored); all other refusals come as the result.
    """
    return await submit_one(await _transfer_command(request, actor), key, render)


async def _transfer_command(request: TransferRequest, actor: Actor) -> Command:
    check_addressing(request)
    names = [name for name in (request.from_merchant, request.to_merchant) if name is not None]
    wallet_ids = [wallet_id for wallet_id in (request.source_account_id, request.dest_account_id) if wallet_id is not None]
    currency = await find_currency(request.currency) if request.currency is not None else None
    return build_transfer(request, await identify(names=names, wallet_ids=wallet_ids), currency, actor=actor)


def check_addressing(request: TransferRequest) -> None:
    """Raise ``ValidationFailed`` unless the request names two merchants and a currency, or two accounts; ``SameAccount`` if equal."""
    if request.from_merchant and request.to_merchant and request.currency and not (request.source_account_id or request.dest_account_id):
        if fold(request.from_merchant) == fold(request.to_merchant):
            raise SameAccount
        return
    by_name = {"from_merchant": request.from_merchant, "to_merchant": request.to_merchant}
    by_account = {"source_account_id": request.source_account_id, "dest_account_id": request.dest_account_id}
    if any(by_account.values()) and any(by_name.values()):
        detail = "name two merchants and a currency, or two accounts, not both"
        raise ValidationFailed([FieldError(name, "conflict", detail) for name, value in by_account.items() if value])
    wanted: dict[str, object] = dict(by_account) if any(by_account.values()) else {**by_name, "currency": request.currency}
    missing = [FieldError(name, "required", "this field is required") for name, value in wanted.items() if value is None]
    if missing:
        raise ValidationFailed(missing)
    if request.source_account_id is not None and request.source_account_id == request.dest_account_id:
        raise SameAccount


def build_transfer(request: TransferRequest, identities: Identities, currency: Currency | None, *, actor: Actor) -> Command:
    """Return the command of a transfer request whose addressing was checked. ``currency`` is that of ``request.currency``, if any."""
    if request.source_account_id is not None and request.dest_account_id is not None:
        return _between_accounts(request, (request.source_account_id, request.dest_account_id), identities, actor)
    in_currency = required_currency(request.currency or "", currency)
    amount_minor = request.amount.resolve(in_currency)
    source = own(actor, identities.merchant(request.from_merchant or ""))
    target = identities.merchant(request.to_merchant or "")
    if source is None or target is None:
        return Refuse(MerchantNotFound(request.from_merchant or "" if source is None else request.to_merchant or ""))
    return TransferFunds(source, target, in_currency, amount_minor, request.details)


def _between_accounts(request: TransferRequest, wallet_ids: tuple[UUID, UUID], identities: Identities, actor: Actor) -> Command:
    source_id, target_id = wallet_ids
    source, target = own_wallet(actor, identities.wallets.get(source_id)), identities.wallets.get(target_id)
    if source is None:
        return Refuse(AccountNotFound(source_id))
    currency = source.currency
    amount_minor = request.amount.resolve(currency)
    if target is None:
        return Refuse(AccountNotFound(target_id))
    if request.currency is not None and request.currency != currency.code:
        return Refuse(CurrencyMismatch(currency.code, request.currency))
    return TransferFunds(source.merchant, target.merchant, currency, amount_minor, request.details, target_currency=target.currency.code)


@dataclass(frozen=True, slots=True)
class Quote:
    """What a transfer would cost now, in minor units."""

    currency: Currency
    amount_minor: int
    fee_minor: int
    total_debit_minor: int
    receiver_gets_minor: int
    schedule: Schedule


async def quote_transfer(request: TransferRequest, *, actor: Actor) -> Quote:
    """Return what this transfer would cost by the schedule in force; moves nothing.

    Raises what the transfer would, but for funds and the state of the accounts, which may change before it is made.
    """
    command = await _transfer_command(request, actor)
    if isinstance(command, Refuse):
        raise command.error
    assert isinstance(command, TransferFunds)  # build_transfer makes these two only
    if command.target_currency not in {None, command.currency.code}:
        raise CurrencyMismatch(command.currency.code, str(command.target_currency))
    is_active, schedule = await in_reader(_terms, command.source.id, command.currency.code)
    if not is_active:
        raise CurrencyInactive(command.currency.code)
    if schedule is None:
        raise FeeNotConfigured(command.source.name, command.currency.code)
    fee_minor = charge_by(schedule, command.currency, command.amount_minor).fee_minor
    sender_pays = schedule.payer is Payer.SENDER
    return Quote(
        currency=command.currency,
        amount_minor=command.amount_minor,
        fee_minor=fee_minor,
        total_debit_minor=command.amount_minor + (fee_minor if sender_pays else 0),
        receiver_gets_minor=command.amount_minor - (0 if sender_pays else fee_minor),
        schedule=schedule,
    )


def _terms(merchant_id: UUID, code: str) -> tuple[bool, Schedule | None]:
    return is_active_now(code), selectors.applicable_schedule(merchant_id, code)
