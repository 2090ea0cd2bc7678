"""Charges: what a movement costs, and the two legs of its fee."""

from __future__ import annotations

from msgspec import Struct

from fees.domain import Payer, Schedule, calculate_fee, choose_schedule
from ledger_project.kernel.money import CurrencyUnit, Money
from ledger_project.kernel.refusals import FeeExceedsAmount, FeeNotConfigured
from merchants.domain import MerchantIdentity
from transfers.domain.facts import AccountState
from transfers.domain.kinds import EntryType, TransferKind
from transfers.domain.ledger import Ledger, Leg


class Charge(Struct, frozen=True):
    """The fee of a movement, in minor units, and the schedule that sets it."""

    schedule: Schedule
    fee_minor: int

    @property
    def payer(self) -> Payer:
        """The party that pays the fee."""
        return self.schedule.payer

    @property
    def sender_fee_minor(self) -> int:
        """The fee that the sender pays on top of the amount."""
        return self.fee_minor if self.schedule.payer is Payer.SENDER else 0

    @property
    def receiver_fee_minor(self) -> int:
        """The fee that the receiver pays out of the amount."""
        return self.fee_minor if self.schedule.payer is Payer.RECEIVER else 0


def charge_for(ledger: Ledger, source: MerchantIdentity, currency: CurrencyUnit, kind: TransferKind, amount_minor: int) -> Charge:
    """Return the charge by the schedule in force.

    Raises ``FeeNotConfigured`` and ``FeeExceedsAmount``.
    """
    schedule = choose_schedule(ledger.book.schedules, merchant_id=source.id, currency=currency.code, kind=kind, at=ledger.now)
    if schedule is None:
        raise FeeNotConfigured(source.name, currency.code)
    return charge_by(schedule, currency, amount_minor)


def charge_by(schedule: Schedule, currency: CurrencyUnit, amount_minor: int) -> Charge:
    """Return the charge by this schedule.

    Raises ``FeeExceedsAmount`` if the receiver would pay more than it gets.
    """
    fee_minor = calculate_fee(schedule, amount_minor)
    if schedule.payer is Payer.RECEIVER and fee_minor > amount_minor:
        raise FeeExceedsAmount(Money(amount_minor, currency), Money(fee_minor, currency))
    return Charge(schedule, fee_minor)


def fee_legs(payer: AccountState, fees: AccountState, fee_minor: int) -> list[Leg]:
    """Return the two legs of a fee. A fee of zero has none."""
    if fee_minor == 0:
        return []
    return [Leg(payer, EntryType.FEE, -fee_minor), Leg(fees, EntryType.FEE, fee_minor)]
