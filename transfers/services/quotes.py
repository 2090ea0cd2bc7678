"""Quotes: what a transfer would cost now."""

from __future__ import annotations

from dataclasses import dataclass

from fees.domain import Schedule
from ledger_project.database.readers import in_reader
from ledger_project.kernel.actors import Actor
from ledger_project.kernel.money import CurrencyUnit
from ledger_project.kernel.refusals import CurrencyInactive, CurrencyMismatch, FeeNotConfigured
from merchants.domain import MerchantIdentity
from merchants.selectors import is_active_now
from transfers import selectors
from transfers.domain.charges import charge_by
from transfers.domain.commands import Refuse
from transfers.services.transfers import TransferRequest, transfer_command


@dataclass(frozen=True, slots=True)
class Quote:
    """The cost of a transfer now, in minor units."""

    currency: CurrencyUnit
    amount_minor: int
    fee_minor: int
    total_debit_minor: int
    receiver_gets_minor: int
    schedule: Schedule


async def quote_transfer(request: TransferRequest, *, actor: Actor) -> Quote:
    """Return the cost of a transfer by the schedule in force. No money moves.

    Raises the refusals of the transfer itself, except those for funds and for the state of the
    accounts: both may change before the transfer is made.
    """
    command = await transfer_command(request, actor)
    if isinstance(command, Refuse):
        raise command.error
    if command.target_currency not in {None, command.currency.code}:
        raise CurrencyMismatch(command.currency.code, str(command.target_currency))
    return await in_reader(quote_now, command.source, command.currency, command.amount_minor)


def quote_now(source: MerchantIdentity, currency: CurrencyUnit, amount_minor: int) -> Quote:
    """Return the cost of a transfer from a merchant, whoever receives it. Synchronous.

    Raises ``CurrencyInactive``, ``FeeNotConfigured`` and ``FeeExceedsAmount``. Two round trips.
    """
    if not is_active_now(currency.code):
        raise CurrencyInactive(currency.code)
    schedule = selectors.applicable_schedule(source.id, currency.code)
    if schedule is None:
        raise FeeNotConfigured(source.name, currency.code)
    charge = charge_by(schedule, currency, amount_minor)
    return Quote(
        currency=currency,
        amount_minor=amount_minor,
        fee_minor=charge.fee_minor,
        total_debit_minor=amount_minor + charge.sender_fee_minor,
        receiver_gets_minor=amount_minor - charge.receiver_fee_minor,
        schedule=schedule,
    )
