"""What a movement costs: pure arithmetic on integers in minor units.

Fee = flat + rate × amount, or by tiers, rounded once to a whole minor unit, then clamped to minimum
and maximum. The clamps are whole minor units, so clamping after rounding is the same as before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from ledger_project.kernel.money import MAX_AMOUNT_MINOR

RATE_SCALE = 10**10
"""Rates have ten decimals at most.

Calculations have them as integers: multiples of 1 / ``RATE_SCALE``.
"""

MAX_PART_MINOR = MAX_AMOUNT_MINOR
"""The largest flat part, minimum, maximum and bound of a tier: that of an amount.

So every fee is far below what a column can hold.
"""

MAX_TIERS = 50
"""Tiers that a schedule has at most."""

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
"""A version comes into force from the first moment on and before the second.

Every program and every column can hold the moments between.
"""

FARTHEST = timedelta(days=3660)
"""How far ahead a version may come into force.

Each version is later than the one before it, so a mistyped year would shut the scope for good.
"""

_RATE = re.compile(r"(?:0(?:\.[0-9]{1,10})?|1(?:\.0{1,10})?)", re.ASCII)


def is_rate(text: object) -> bool:
    """Whether a text is a rate: a plain decimal number from 0 to 1 with ten decimals at most."""
    return isinstance(text, str) and _RATE.fullmatch(text) is not None


def is_part(minor: object, *, least: int = 0) -> bool:
    """Whether a value is an amount of money in a schedule.

    That is a whole number of minor units from ``least`` to ``MAX_PART_MINOR``.
    """
    return isinstance(minor, int) and not isinstance(minor, bool) and least <= minor <= MAX_PART_MINOR


class Payer(StrEnum):
    """Who pays the fee."""

    SENDER = "sender"
    RECEIVER = "receiver"


class Rounding(StrEnum):
    """How a fraction of a minor unit is rounded.

    Fees are never negative, so up is away from zero and down is towards it.
    """

    HALF_EVEN = "half_even"
    HALF_UP = "half_up"
    HALF_DOWN = "half_down"
    UP = "up"
    DOWN = "down"
    CEILING = "ceiling"
    FLOOR = "floor"


class TierMode(StrEnum):
    """How tiers apply: the whole amount at its tier's terms, or each slice at its own."""

    VOLUME = "volume"
    GRADUATED = "graduated"


@dataclass(frozen=True, slots=True)
class Tier:
    """Terms for amounts up to and including a bound; the last tier has none."""

    up_to_minor: int | None
    rate: Decimal
    flat_minor: int

    @property
    def scaled_rate(self) -> int:
        """The rate as an integer of ``1 / RATE_SCALE``."""
        return int(self.rate * RATE_SCALE)


@dataclass(frozen=True, slots=True)
class Schedule:
    """One version of a fee schedule.

    ``merchant_id``, ``currency`` and ``kind`` say which movements it is for; None is all.
    """

    id: UUID
    version: int
    merchant_id: UUID | None
    currency: str | None
    kind: str | None
    rate: Decimal
    flat_minor: int
    minimum_minor: int | None
    maximum_minor: int | None
    tier_mode: TierMode | None
    tiers: tuple[Tier, ...]
    rounding: Rounding
    payer: Payer
    effective_from: datetime
    scaled_rate: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Scale the rate once; it is used for every transfer."""
        object.__setattr__(self, "scaled_rate", int(self.rate * RATE_SCALE))


@dataclass(frozen=True, slots=True)
class FeePart:
    """A rate on an amount or on a slice of it, and the flat part of its tier, in minor units."""

    rate: Decimal
    base_minor: int
    flat_minor: int = 0


@dataclass(frozen=True, slots=True)
class FeeExplanation:
    """How a fee came about: the flat part, the other parts, the exact sum, the rounded and the
    final fee.

    ``exact_scaled`` is a multiple of ``1 / RATE_SCALE`` of a minor unit.
    """

    flat_minor: int
    parts: tuple[FeePart, ...]
    exact_scaled: int
    rounded_minor: int
    fee_minor: int

    @property
    def is_exact(self) -> bool:
        """Whether the exact sum is a whole number of minor units."""
        return self.exact_scaled % RATE_SCALE == 0


def round_scaled(scaled: int, rounding: Rounding) -> int:
    """Return a non-negative multiple of ``1 / RATE_SCALE`` rounded to a whole number."""
    whole, rest = divmod(scaled, RATE_SCALE)
    if rest == 0:
        return whole
    match rounding:
        case Rounding.UP | Rounding.CEILING:
            return whole + 1
        case Rounding.DOWN | Rounding.FLOOR:
            return whole
        case Rounding.HALF_UP:
            return whole + (2 * rest >= RATE_SCALE)
        case Rounding.HALF_DOWN:
            return whole + (2 * rest > RATE_SCALE)
        case Rounding.HALF_EVEN:  # pragma: no branch - mypy proves that there is no other mode
            return whole + (2 * rest > RATE_SCALE or (2 * rest == RATE_SCALE and whole % 2 == 1))


def _slices(schedule: Schedule, amount_minor: int) -> list[tuple[Tier, int]]:
    """Return the tiers that an amount meets, each with the part of the amount that it charges."""
    below = 0
    met = []
    for tier in schedule.tiers:  # pragma: no branch - the last tier has no bound
        top = amount_minor if tier.up_to_minor is None else min(amount_minor, tier.up_to_minor)
        last = tier.up_to_minor is None or amount_minor <= tier.up_to_minor
        if schedule.tier_mode is TierMode.GRADUATED:
            met.append((tier, top - below))
        elif last:
            met.append((tier, amount_minor))
        below = top
        if last:
            break
    return met


def _exact_scaled(schedule: Schedule, amount_minor: int) -> int:
    if schedule.tier_mode is None:
        return schedule.flat_minor * RATE_SCALE + schedule.scaled_rate * amount_minor
    slices = _slices(schedule, amount_minor)
    return schedule.flat_minor * RATE_SCALE + sum(tier.flat_minor * RATE_SCALE + tier.scaled_rate * part for tier, part in slices)


def _clamp(schedule: Schedule, fee_minor: int) -> int:
    if schedule.minimum_minor is not None and fee_minor < schedule.minimum_minor:
        return schedule.minimum_minor
    if schedule.maximum_minor is not None and fee_minor > schedule.maximum_minor:
        return schedule.maximum_minor
    return fee_minor


def calculate_fee(schedule: Schedule, amount_minor: int) -> int:
    """Return the fee in minor units of the amount's currency.

    Exact for any amount; never negative.
    """
    return _clamp(schedule, round_scaled(_exact_scaled(schedule, amount_minor), schedule.rounding))


def explain_fee(schedule: Schedule, amount_minor: int) -> FeeExplanation:
    """Return how ``calculate_fee`` comes to its result."""
    parts = [FeePart(schedule.rate, amount_minor)]
    if schedule.tier_mode is not None:
        parts = [FeePart(tier.rate, part_minor, tier.flat_minor) for tier, part_minor in _slices(schedule, amount_minor)]
    exact_scaled = _exact_scaled(schedule, amount_minor)
    rounded_minor = round_scaled(exact_scaled, schedule.rounding)
    return FeeExplanation(schedule.flat_minor, tuple(parts), exact_scaled, rounded_minor, _clamp(schedule, rounded_minor))


def charges_nothing(schedule: Schedule) -> bool:
    """Whether the fee of every amount is zero: fees are waived."""
    if schedule.maximum_minor == 0:
        return True
    parts = [(tier.rate, tier.flat_minor) for tier in schedule.tiers] if schedule.tier_mode else [(schedule.rate, 0)]
    return not (schedule.flat_minor or schedule.minimum_minor or any(rate or flat_minor for rate, flat_minor in parts))


def _rank(schedule: Schedule) -> tuple[int, bool, datetime, int]:
    """How specific and how new a schedule is.

    Merchant and currency come before merchant, that before currency, that before all; a named kind
    comes before any kind.
    """
    scope = 2 * (schedule.merchant_id is not None) + (schedule.currency is not None)
    return scope, schedule.kind is not None, schedule.effective_from, schedule.version


def choose_schedule(schedules: Iterable[Schedule], *, merchant_id: UUID, currency: str, kind: str, at: datetime) -> Schedule | None:
    """Return the schedule by which a movement of this merchant is charged.

    It is the most specific one, and of its versions the latest in force.

    None if none applies; that is a refusal, not a fee of zero.
    """
    best: Schedule | None = None
    for schedule in schedules:
        if (
            (schedule.merchant_id is None or schedule.merchant_id == merchant_id)
            and (schedule.currency is None or schedule.currency == currency)
            and (schedule.kind is None or schedule.kind == kind)
            and schedule.effective_from <= at
            and (best is None or _rank(schedule) > _rank(best))
        ):
            best = schedule
    return best
