"""The movements of the demo: payments among its merchants, and their sequels days later.

All choices depend on the seed alone: not on the day of the run, and not on the answers of the
ledger.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from ledger_project.database.fields import new_id
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import MerchantIdentity
from transfers.demo.people import Person, price
from transfers.domain import commands as c
from transfers.domain.facts import HoldState
from transfers.domain.outcome import Outcome
from transfers.selectors.transfers import find_original_now

PRINCIPAL = "seed_demo"
_HOLD_S = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Step:
    """A command, the time after the step that it follows, and its sequels, given its outcome."""

    command: c.Command
    after: timedelta = timedelta()
    sequel: Callable[[Outcome], Sequence[Step]] = lambda _outcome: ()


@dataclass(frozen=True, slots=True)
class Member:
    """A merchant of the demo, and its identity in the ledger."""

    person: Person
    identity: MerchantIdentity


@dataclass(frozen=True, slots=True)
class _Deal:
    """The choices of one movement: its payer, currency and amount, its number, and the dice for the
    rest.
    """

    who: Member
    currency: CurrencyUnit
    amount_minor: int
    number: int
    dice: random.Random


def details(memo: str | None, number: int, reference: str | None = None) -> c.Details:
    """Return the details of a movement of the demo."""
    return c.Details(memo=memo, external_reference=reference, principal=PRINCIPAL, request_id=f"demo-{number:06}")


class Story:
    """A sequence of movements among members.

    ``series`` makes its references differ from those of other runs.
    """

    def __init__(self, currencies: Mapping[str, CurrencyUnit], *, seed: int, series: str, treasury: MerchantIdentity) -> None:
        self._currencies, self._series, self._treasury = currencies, series, treasury
        self._seed = seed
        self._purses: dict[tuple[str, str], int] = {}
        self._present: list[Member] = []
        self._pools: dict[str, list[float]] = {}

    def opening(self, member: Member) -> list[Step]:
        """Return the first steps of a merchant: money in each of its currencies."""
        dice = random.Random(f"{self._seed} {member.person.name}")
        self._joins(member)
        steps = []
        for position, currency in enumerate(self._held(member)):
            amount_minor = price(currency, member.person.ticket_usd * member.person.size * dice.uniform(40, 90), dice)
            self._purses[member.person.name, currency.code] = amount_minor
            note = c.Details(memo="opening balance", principal=PRINCIPAL)
            steps.append(
                Step(c.RegisterMerchant(member.identity, {"demo": True}, currency, amount_minor, note))
                if position == 0
                else Step(c.Deposit(member.identity, currency, amount_minor, note))
            )
        return steps

    def resume(self, member: Member) -> None:
        """Have a merchant take part that exists already."""
        dice = random.Random(f"{self._seed} {member.person.name}")
        self._joins(member)
        for currency in self._held(member):
            self._purses[member.person.name, currency.code] = price(currency, member.person.ticket_usd * 20, dice)

    def movements(self, count: int) -> Iterator[Step]:
        """Return ``count`` movements, in order.

        Only members that were opened or resumed take part.
        """
        for number in range(count):
            dice = random.Random(f"{self._seed} {number}")
            yield self._movement(number, dice)

    # --- one movement -----------------------------------------------------------------------------

    def _held(self, member: Member) -> list[CurrencyUnit]:
        return [self._currencies[code] for code in member.person.currencies if code in self._currencies]

    def _joins(self, member: Member) -> None:
        self._present.append(member)
        self._pools.clear()

    def _draw(self, pool: str, weigh: Callable[[Member], float], dice: random.Random) -> Member:
        """Return one of the members. The sums of weights are kept until another member joins."""
        if pool not in self._pools:
            self._pools[pool] = list(itertools.accumulate(weigh(member) for member in self._present))
        return dice.choices(self._present, cum_weights=self._pools[pool])[0]

    def _movement(self, number: int, dice: random.Random) -> Step:
        who = self._draw("", lambda member: member.person.size, dice)
        held = self._held(who)
        currency = held[0] if dice.random() < 0.65 else dice.choice(held)
        purse_minor = self._purses.get((who.person.name, currency.code), 0)
        amount_minor = price(currency, who.person.ticket_usd * dice.lognormvariate(0.2, 0.7), dice)
        deal = _Deal(who, currency, amount_minor, number, dice)
        kind = dice.random()
        if kind < 0.10 or purse_minor < amount_minor * 4 or len(self._present) < 2:
            return self._takings(deal)
        if kind < 0.16:
            return self._payout(deal, purse_minor)
        whom = self._partner(deal)
        if kind < 0.25:
            return self._hold(deal, whom)
        if kind < 0.262:
            deal = replace(deal, amount_minor=purse_minor * 3)  # more than there is
        return self._purchase(deal, whom)

    def _spend(self, who: Member, currency: CurrencyUnit, amount_minor: int) -> None:
        self._purses[who.person.name, currency.code] = max(0, self._purses[who.person.name, currency.code] - amount_minor * 102 // 100)

    def _receive(self, who: Member, currency: CurrencyUnit, amount_minor: int) -> None:
        key = who.person.name, currency.code
        if key in self._purses:
            self._purses[key] += amount_minor

    def _partner(self, deal: _Deal) -> Member:
        """Return another member, most likely one that holds the currency already."""
        code = deal.currency.code
        whom = deal.who
        while whom is deal.who:
            whom = self._draw(code, lambda member: member.person.size * (5 if code in member.person.currencies else 0.1), deal.dice)
        return whom

    def _takings(self, deal: _Deal) -> Step:
        total_minor = deal.amount_minor * deal.dice.randint(6, 22)
        self._receive(deal.who, deal.currency, total_minor)
        memo = deal.dice.choice(("card takings", "card takings", "bank transfer received", "cash deposit"))
        note = details(memo, deal.number, f"IN-{self._series}-{deal.number:05}")
        return Step(c.Deposit(deal.who.identity, deal.currency, total_minor, note))

    def _payout(self, deal: _Deal, purse_minor: int) -> Step:
        rounded = 10 ** max(0, len(str(purse_minor)) - 2)
        amount_minor = max(1, int(purse_minor * deal.dice.uniform(0.25, 0.6)) // rounded * rounded)
        self._spend(deal.who, deal.currency, amount_minor)
        return Step(c.Withdraw(deal.who.identity, deal.currency, amount_minor, details("payout to bank", deal.number)))

    def _purchase(self, deal: _Deal, whom: Member) -> Step:
        dice, number = deal.dice, deal.number
        if deal.amount_minor * 2 < self._purses[deal.who.person.name, deal.currency.code]:
            self._spend(deal.who, deal.currency, deal.amount_minor)
            self._receive(whom, deal.currency, deal.amount_minor)
        reference = f"INV-{self._series}-{number:05}" if dice.random() < 0.6 else None
        note = details(dice.choice(whom.person.sells), number, reference)
        command = c.TransferFunds(deal.who.identity, whom.identity, deal.currency, deal.amount_minor, note)
        fate, days = dice.random(), timedelta(days=dice.uniform(0.4, 9))
        if fate < 0.012 and reference is not None:
            return Step(command, sequel=lambda _: [Step(command, days / 4)])  # sent twice, by mistake
        if fate < 0.04:
            return Step(command, sequel=lambda outcome: self._sent_back(outcome, days, number, dice))
        return Step(command)

    # --- what follows -----------------------------------------------------------------------------

    def _sent_back(self, outcome: Outcome, after: timedelta, number: int, dice: random.Random) -> list[Step]:
        original = None if outcome.transfer is None else find_original_now(outcome.transfer.id)
        if original is None:
            return []
        part_minor = None if dice.random() < 0.6 else max(1, original.amount_minor * dice.choice((20, 30, 50)) // 100)
        memo = "goods returned" if part_minor is None else "price reduced"
        refund_fee = part_minor is None and dice.random() < 0.5
        treasury = self._treasury if refund_fee else None
        command = c.ReverseTransfer(original, part_minor, refund_fee, treasury, details(memo, number))
        again = [Step(command, timedelta(hours=2))] if part_minor is None and dice.random() < 0.15 else []
        return [Step(command, after, lambda _: again)]

    def _hold(self, deal: _Deal, whom: Member) -> Step:
        self._spend(deal.who, deal.currency, deal.amount_minor)
        note = details(f"reservation: {deal.dice.choice(whom.person.sells)}", deal.number)
        command = c.PlaceHold(
            new_id(place=deal.who.identity.id), deal.who.identity, whom.identity, deal.currency, deal.amount_minor, _HOLD_S, note
        )
        return Step(command, sequel=lambda outcome: _hold_ends(outcome.hold, deal.number, deal.dice))


def _hold_ends(hold: HoldState | None, number: int, dice: random.Random) -> list[Step]:
    if hold is None:
        return []
    terms, fate, days = hold.terms, dice.random(), timedelta(days=dice.uniform(0.5, 6.5))
    if fate < 0.7:
        amount_minor = None if dice.random() < 0.7 else max(1, terms.amount_minor * dice.choice((60, 80, 90)) // 100)
        return [Step(c.CaptureHold(terms, amount_minor, details("delivered", number)), days)]
    if fate < 0.86:
        return [Step(c.VoidHold(terms, details("cancelled", number)), days)]
    expired = Step(c.ExpireHold(terms, c.Details(principal="expiry")), timedelta(seconds=_HOLD_S + 2))
    too_late = Step(c.CaptureHold(terms, None, details("delivered late", number)), timedelta(days=8.5))
    return [expired, too_late] if fate > 0.95 else [expired]
