"""Use cases of one command each. All of them await the engine; none writes anything itself."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from fees.domain import Payer, Schedule
from ledger_project.database.readers import in_reader
from ledger_project.kernel.actors import Actor
from ledger_project.kernel.amount_input import AmountInput
from ledger_project.kernel.money import Currency
from ledger_project.kernel.refusals import (
    AccountNotFound,
    CurrencyInactive,
    CurrencyMismatch,
    FeeNotConfigured,
    HoldNotFound,
    MerchantNotFound,
    TransferNotFound,
)
from merchants.domain import TREASURY, own
from merchants.selectors import find_currency, identify, is_active_now
from transfers import selectors
from transfers.domain.charges import charge_by
from transfers.domain.commands import (
    CaptureHold,
    Command,
    Deposit,
    Details,
    OpenAccount,
    Refuse,
    ReverseTransfer,
    TransferFunds,
    VoidHold,
    Withdraw,
)
from transfers.posting import engine
from transfers.posting.jobs import Item, Job, Key, Render, Result
from transfers.services import ownership as access
from transfers.services.building import build_hold, build_registration, build_transfer, check_addressing, required_currency
from transfers.services.requests import HoldRequest, RegistrationRequest, TransferRequest


async def _submit(command: Command, key: Key | None, render: Render) -> Result:
    return (await engine.submit(Job([Item(command, render, key)]))).result


async def _transfer_command(request: TransferRequest, actor: Actor) -> Command:
    check_addressing(request)
    names = [name for name in (request.from_merchant, request.to_merchant) if name is not None]
    wallet_ids = [wallet_id for wallet_id in (request.source_account_id, request.dest_account_id) if wallet_id is not None]
    currency = await find_currency(request.currency) if request.currency is not None else None
    return build_transfer(request, await identify(names=names, wallet_ids=wallet_ids), currency, actor=actor)


async def execute_transfer(request: TransferRequest, *, actor: Actor, key: Key | None, render: Render) -> Result:
    """Move money from one merchant to another with the fee that applies.

    Raises ``ValidationFailed``, ``SameAccount``, ``UnknownCurrency`` (nothing stored); all other refusals come as the result.
    """
    return await _submit(await _transfer_command(request, actor), key, render)


@dataclass(frozen=True, slots=True)
class Quote:
    """What a transfer would cost now, in minor units."""

    currency: Currency
    amount_minor: int
    fee_minor: int
    total_debit_minor: int
    receiver_gets_minor: int
    schedule: Schedule


def _terms(merchant_id: UUID, code: str) -> tuple[bool, Schedule | None]:
    return is_active_now(code), selectors.applicable_schedule(merchant_id, code)


async def quote_transfer(request: TransferRequest, *, actor: Actor) -> Quote:
    """Return what this transfer would cost by the schedule in force; moves nothing.

    Raises what the transfer would, but for funds and the state of the accounts, which may change before it is made.
    """
    command = await _transfer_command(request, actor)
    if isinstance(command, Refuse):
        raise command.error
    assert isinstance(command, TransferFunds)  # noqa: S101 - build_transfer makes these two only  # nosec B101
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


async def register_merchant(request: RegistrationRequest, *, actor: Actor, key: Key | None, render: Render) -> Result:
    """Register a merchant, with an opening balance if one is asked for, in one transaction. Raises ``PermissionDenied``."""
    actor.require_platform("Registering a merchant")
    currency = await find_currency(request.currency) if request.currency is not None else None
    return await _submit(build_registration(request, currency), key, render)


async def open_account(merchant_name: str, currency_code: str, *, actor: Actor, key: Key | None, render: Render) -> Result:
    """Open a merchant's wallet in a currency. Raises ``UnknownCurrency``."""
    currency = required_currency(currency_code, await find_currency(currency_code))
    merchant = own(actor, (await identify(names=[merchant_name])).merchant(merchant_name))
    command: Command = Refuse(MerchantNotFound(merchant_name)) if merchant is None else OpenAccount(merchant, currency)
    return await _submit(command, key, render)


async def deposit(account_id: UUID, amount: AmountInput, details: Details, *, actor: Actor, key: Key | None, render: Render) -> Result:
    """Bring money from outside into a wallet. Raises ``PermissionDenied``: that money came is the platform's to say."""
    actor.require_platform("A deposit")
    return await _submit(await _cross_border(Deposit, account_id, amount, details, actor), key, render)


async def withdraw(account_id: UUID, amount: AmountInput, details: Details, *, actor: Actor, key: Key | None, render: Render) -> Result:
    """Send money from a wallet outside."""
    return await _submit(await _cross_border(Withdraw, account_id, amount, details, actor), key, render)


async def _cross_border(
    command: type[Deposit] | type[Withdraw], account_id: UUID, amount: AmountInput, details: Details, actor: Actor
) -> Command:
    wallet = (await identify(wallet_ids=[account_id])).wallets.get(account_id)
    if wallet is None or not actor.acts_for(wallet.merchant.id):
        return Refuse(AccountNotFound(account_id))
    return command(wallet.merchant, wallet.currency, amount.resolve(wallet.currency), details)


async def reverse_transfer(
    transfer_id: UUID, amount: AmountInput, details: Details, *, refund_fee: bool, actor: Actor, key: Key | None, render: Render
) -> Result:
    """Send the money of a transfer or capture back: all that is not yet reversed, or an amount of it.

    Raises ``PermissionDenied`` for a merchant that did not receive the money, or that would give back the platform's fee.
    """
    original = access.original_for(actor, await in_reader(selectors.find_original, transfer_id), refund_fee=refund_fee)
    if original is None:
        return await _submit(Refuse(TransferNotFound(transfer_id)), key, render)
    amount_minor = amount.resolve_optional(original.currency)
    treasury = (await identify(names=[TREASURY])).merchant(TREASURY) if refund_fee else None
    return await _submit(ReverseTransfer(original, amount_minor, refund_fee, treasury, details), key, render)


async def place_hold(request: HoldRequest, *, actor: Actor, key: Key | None, render: Render) -> Result:
    """Reserve an amount and the fee of its capture."""
    currency = await find_currency(request.currency)
    identities = await identify(names=[request.from_merchant, request.to_merchant])
    return await _submit(build_hold(request, identities, currency, actor=actor), key, render)


async def capture_hold(hold_id: UUID, amount: AmountInput, details: Details, *, actor: Actor, key: Key | None, render: Render) -> Result:
    """Pay out of a hold: all of it, or an amount; the rest is released. Raises ``PermissionDenied`` for who is not to receive it."""
    terms = access.terms_for(actor, await in_reader(selectors.find_hold_terms, hold_id))
    if terms is None:
        return await _submit(Refuse(HoldNotFound(hold_id)), key, render)
    command = CaptureHold(terms, amount.resolve_optional(terms.currency), details)
    return await _submit(command, key, access.discreet(render, actor, terms.source))


async def void_hold(hold_id: UUID, details: Details, *, actor: Actor, key: Key | None, render: Render) -> Result:
    """Give a hold's money back. Raises ``PermissionDenied`` for the payer: what it can take back at will would be no promise."""
    terms = access.terms_for(actor, await in_reader(selectors.find_hold_terms, hold_id))
    return await _submit(Refuse(HoldNotFound(hold_id)) if terms is None else VoidHold(terms, details), key, render)
