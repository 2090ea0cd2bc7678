"""The ledger as a clerk would keep it: dictionaries and lists, the contract's rules, and nothing of the service's own code.

Written from API.md alone so that a mistake in the domain is not repeated here. ``tests/services/test_state_machine.py`` runs every
command against both. Each command either raises ``Refused`` with the codes that the contract allows, or books and returns the fee.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any

Wallet = tuple[str, str]
"""A merchant's name and a currency."""


class Refused(Exception):
    """The command is refused. More than one code where several things are wrong and the contract leaves open which is told."""

    def __init__(self, *codes: str) -> None:
        super().__init__(*codes)
        self.codes = set(codes)


@dataclass
class Line:
    """One line of a wallet: signed amount, the balance after it, and the time the service says it has."""

    type: str
    amount: int
    balance: int
    at: datetime | None = None


@dataclass
class Tariff:
    """What a merchant is charged, as a function of the amount, and whether the receiver pays it."""

    fee: Callable[[int], int] = lambda amount: round(Fraction(amount, 100))  # Fraction rounds half to even
    receiver_pays: bool = False


ONE_PERCENT = Tariff()
RECEIVER_PAYS = Tariff(lambda amount: math.ceil(Fraction(amount) * Fraction(25, 1000)), receiver_pays=True)
MINIMUM_SEVEN = Tariff(lambda amount: max(7, math.floor(Fraction(amount) * Fraction(3, 1000) + Fraction(1, 2))))
NOTHING = Tariff(lambda amount: 0)
SMALL_IS_DEAR = Tariff(lambda amount: round(Fraction(amount, 10)) if amount <= 10_000 else round(Fraction(amount, 100)))


@dataclass
class Sent:
    """A transfer that was posted, and what came back of it."""

    kind: str
    source: Wallet | None
    target: Wallet | None
    amount: int
    fee: int = 0
    payer: Wallet | None = None
    returned: int = 0
    fee_shares: int = 0


@dataclass
class Reservation:
    """A hold."""

    source: Wallet
    target: Wallet
    amount: int
    reserved: int
    tariff: Tariff
    lapsed: bool
    status: str = "open"


@dataclass
class Model:
    """All that is known of one run's merchants."""

    wallets: dict[Wallet, list[Line]] = field(default_factory=dict)
    held: Counter[Wallet] = field(default_factory=Counter)
    fees: Counter[Wallet] = field(default_factory=Counter)
    outside: Counter[Wallet] = field(default_factory=Counter)
    treasury: Counter[str] = field(default_factory=Counter)
    frozen: set[tuple[str, str | None]] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    tariffs: dict[tuple[str, str | None], Tariff] = field(default_factory=dict)
    sent: dict[Any, Sent] = field(default_factory=dict)
    holds: dict[Any, Reservation] = field(default_factory=dict)
    references: dict[tuple[Wallet, str], Any] = field(default_factory=dict)

    # --- looking ------------------------------------------------------------------------------------------------------------

    def balance(self, wallet: Wallet) -> int:
        lines = self.wallets.get(wallet)
        return lines[-1].balance if lines else 0

    def balance_at(self, wallet: Wallet, moment: datetime) -> int:
        past = [line for line in self.wallets[wallet] if line.at is not None and line.at <= moment]
        return past[-1].balance if past else 0

    def tariff(self, wallet: Wallet) -> Tariff:
        name, currency = wallet
        return self.tariffs.get((name, currency)) or self.tariffs.get((name, None)) or ONE_PERCENT

    def snapshot(self) -> dict[str, Any]:
        return copy.deepcopy(self.__dict__)

    def restore(self, snapshot: dict[str, Any]) -> None:
        self.__dict__.update(snapshot)

    # --- checks and bookings ------------------------------------------------------------------------------------------------

    def is_frozen(self, *wallets: Wallet) -> bool:
        return any(wallet in self.frozen or (wallet[0], None) in self.frozen for wallet in wallets)

    def check_moving(self, *wallets: Wallet) -> None:
        if self.is_frozen(*wallets):
            raise Refused("account_frozen")

    def check_merchants(self, *names: str) -> None:
        if not set(names) <= self.names:
            raise Refused("merchant_not_found")

    def check_reference(self, wallet: Wallet, reference: str | None) -> None:
        if reference is not None and (wallet, reference) in self.references:
            raise Refused("duplicate_external_reference")

    def check_funds(self, wallet: Wallet, *moves: int) -> None:
        """The moves, in this order, never take the wallet below zero."""
        balance = self.balance(wallet)
        for move in moves:
            balance += move
            if move < 0 and balance < 0:
                raise Refused("insufficient_funds")

    def book(self, wallet: Wallet, kind: str, amount: int) -> None:
        if amount:
            lines = self.wallets.setdefault(wallet, [])
            lines.append(Line(kind, amount, self.balance(wallet) + amount))

    def charge(self, tariff: Tariff, amount: int) -> int:
        fee = tariff.fee(amount)
        if tariff.receiver_pays and fee > amount:
            raise Refused("fee_exceeds_amount")
        return fee

    # --- commands -----------------------------------------------------------------------------------------------------------

    def register(self, posted: Any, name: str, currency: str | None, opening: int) -> None:
        if name.lower() in {known.lower() for known in self.names}:
            raise Refused("merchant_exists")
        self.names.add(name)
        if currency is not None:
            self.wallets[name, currency] = []
            self.book((name, currency), "opening", opening)
            self.outside[name, currency] -= opening
            if opening:
                self.sent[posted] = Sent("opening", None, (name, currency), opening)

    def open_account(self, name: str, currency: str) -> None:
        self.check_merchants(name)
        if (name, currency) in self.wallets:
            raise Refused("account_exists")
        self.check_moving((name, currency))
        self.wallets[name, currency] = []

    def cross_border(self, posted: Any, wallet: Wallet, kind: str, amount: int, reference: str | None) -> None:
        signed = amount if kind == "deposit" else -amount
        self.check_moving(wallet)
        self.check_reference(wallet, reference)
        self.check_funds(wallet, signed)
        self.book(wallet, kind, signed)
        self.outside[wallet] -= signed
        self.sent[posted] = Sent(kind, None, None, amount)
        if reference is not None:
            self.references[wallet, reference] = posted

    def transfer(self, posted: Any, source: Wallet, target: Wallet, amount: int, reference: str | None) -> int:
        self.check_merchants(source[0], target[0])
        self.check_moving(source, target)
        tariff = self.tariff(source)
        fee = self.charge(tariff, amount)
        payer = target if tariff.receiver_pays else source
        self.check_reference(source, reference)
        self.check_funds(source, -amount, 0 if tariff.receiver_pays else -fee)
        self.book(source, "transfer", -amount)
        self.book(target, "transfer", amount)
        self.book(payer, "fee", -fee)
        self.fees[payer] += fee
        self.sent[posted] = Sent("transfer", source, target, amount, fee, payer)
        if reference is not None:
            self.references[source, reference] = posted
        return fee

    def hold(self, hold_id: Any, source: Wallet, target: Wallet, amount: int, lapsed: bool) -> int:
        self.check_merchants(source[0], target[0])
        self.check_moving(source, target)
        tariff = self.tariff(source)
        fee = self.charge(tariff, amount)
        reserved = amount + (0 if tariff.receiver_pays else fee)
        self.check_funds(source, -reserved)
        self.book(source, "hold", -reserved)
        self.held[source] += reserved
        self.holds[hold_id] = Reservation(source, target, amount, reserved, tariff, lapsed)
        return reserved

    def _check_hold(self, hold: Reservation) -> set[str]:
        if hold.status == "expired" or (hold.status == "open" and hold.lapsed):
            return {"hold_expired"}
        return set() if hold.status == "open" else {"hold_not_open"}

    def capture(self, posted: Any, hold_id: Any, amount: int | None) -> int:
        if hold_id not in self.holds:
            raise Refused("hold_not_found")
        hold = self.holds[hold_id]
        wrong = self._check_hold(hold)
        if self.is_frozen(hold.source, hold.target):
            wrong.add("account_frozen")
        if wrong:
            raise Refused(*wrong)
        captured = hold.amount if amount is None else amount
        if captured > hold.amount:
            raise Refused("capture_exceeds_hold")
        fee = self.charge(hold.tariff, captured)
        payer = hold.target if hold.tariff.receiver_pays else hold.source
        rest = hold.reserved - captured
        from_reserve = 0 if hold.tariff.receiver_pays else min(rest, fee)
        extra = 0 if hold.tariff.receiver_pays else fee - from_reserve
        self.check_funds(hold.source, -extra)
        self.book(hold.target, "capture", captured)
        self.book(payer, "fee", -fee if hold.tariff.receiver_pays else -extra)
        self.book(hold.source, "hold_release", rest - from_reserve)
        self.held[hold.source] -= hold.reserved
        self.fees[payer] += fee
        hold.status = "captured"
        self.sent[posted] = Sent("capture", hold.source, hold.target, captured, fee, payer)
        return fee

    def void(self, hold_id: Any) -> None:
        if hold_id not in self.holds:
            raise Refused("hold_not_found")
        hold = self.holds[hold_id]
        if wrong := self._check_hold(hold):
            raise Refused(*wrong)
        self._release(hold, "voided")

    def expire(self) -> None:
        for hold in self.holds.values():
            if hold.status == "open" and hold.lapsed:
                self._release(hold, "expired")

    def _release(self, hold: Reservation, status: str) -> None:
        self.book(hold.source, "hold_release", hold.reserved)
        self.held[hold.source] -= hold.reserved
        hold.status = status

    def reverse(self, posted: Any, original_id: Any, amount: int | None, refund: bool) -> None:
        if original_id not in self.sent:
            raise Refused("transfer_not_found")
        original = self.sent[original_id]
        if original.kind not in {"transfer", "capture"} or original.source is None or original.target is None:
            raise Refused("not_reversible")
        left = original.amount - original.returned
        asked = left if amount is None else amount
        self.check_moving(original.target, original.source)
        if left == 0:
            raise Refused("already_reversed")
        if asked > left:
            raise Refused("reversal_exceeds_original")
        # The last part brings what the roundings of the others left over; a part without refund keeps its share for good.
        share = original.fee - original.fee_shares if asked == left else original.fee * asked // original.amount
        payer = original.payer if refund and share else None
        self.check_funds(original.target, *([share] if payer == original.target else []), -asked)
        if payer is not None:
            from_fees = min(share, self.fees[payer])
            self.fees[payer] -= from_fees
            self.treasury[payer[1]] -= share - from_fees
            self.book(payer, "fee_refund", share)
        self.book(original.target, "reversal", -asked)
        self.book(original.source, "reversal", asked)
        original.returned += asked
        original.fee_shares += share
        self.sent[posted] = Sent("reversal", original.target, original.source, asked)

    def settle_fees(self, wallet: Wallet) -> int:
        swept, self.fees[wallet] = self.fees[wallet], 0
        self.treasury[wallet[1]] += swept
        return swept
