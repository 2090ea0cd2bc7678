"""What a movement costs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Context,
    Decimal,
)
from fractions import Fraction
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fees.domain import (
    MAX_PART_MINOR,
    FeePart,
    Rounding,
    Schedule,
    Tier,
    TierMode,
    calculate_fee,
    charges_nothing,
    choose_schedule,
    explain_fee,
    is_part,
    is_rate,
)
from tests.support.factories import schedule

DECIMAL_MODES = {
    Rounding.HALF_EVEN: ROUND_HALF_EVEN,
    Rounding.HALF_UP: ROUND_HALF_UP,
    Rounding.HALF_DOWN: ROUND_HALF_DOWN,
    Rounding.UP: ROUND_UP,
    Rounding.DOWN: ROUND_DOWN,
    Rounding.CEILING: ROUND_CEILING,
    Rounding.FLOOR: ROUND_FLOOR,
}
amounts = st.integers(1, 10**30)
rates = st.integers(0, 10**10).map(lambda scaled: Decimal(scaled).scaleb(-10))
roundings = st.sampled_from(list(Rounding))
small = st.integers(0, 10**12)


def exact(value: Fraction, rounding: Rounding) -> int:
    """Round a fraction by the decimal module, at a precision that loses nothing."""
    context = Context(prec=120)
    return int(context.divide(Decimal(value.numerator), Decimal(value.denominator)).quantize(Decimal(1), DECIMAL_MODES[rounding], context))


@st.composite
def tiers(draw: st.DrawFn) -> tuple[Tier, ...]:
    bounds = sorted(draw(st.sets(st.integers(1, 10**9), min_size=0, max_size=4)))
    return tuple(Tier(bound, draw(rates), draw(st.integers(0, 10**6))) for bound in [*bounds, None])


@given(amounts, rates, small, roundings)
def test_flat_and_rate_are_exact_in_every_rounding(amount: int, rate: Decimal, flat: int, rounding: Rounding) -> None:
    fee = calculate_fee(schedule(rate=rate, flat_minor=flat, rounding=rounding), amount)
    assert fee == exact(Fraction(rate) * amount + flat, rounding)


@pytest.mark.parametrize(
    ("amount", "rounding", "fee"),
    [
        (50, "half_even", 0),
        (150, "half_even", 2),
        (50, "half_up", 1),
        (50, "half_down", 0),
        (51, "half_down", 1),
        (1, "up", 1),
        (99, "down", 0),
    ],
)
def test_halves_are_rounded_as_the_mode_says(amount: int, rounding: str, fee: int) -> None:
    assert calculate_fee(schedule(rounding=Rounding(rounding)), amount) == fee


@given(amounts, rates, small, small, small)
def test_a_fee_never_leaves_its_clamps(amount: int, rate: Decimal, flat: int, one: int, two: int) -> None:
    low, high = sorted((one, two))
    fee = calculate_fee(schedule(rate=rate, flat_minor=flat, minimum_minor=low, maximum_minor=high), amount)
    assert low <= fee <= high


@given(st.integers(1, 10**10), tiers(), roundings)
def test_volume_tiers_charge_the_whole_amount_at_its_tier(amount: int, terms: tuple[Tier, ...], rounding: Rounding) -> None:
    tier = next(t for t in terms if t.up_to_minor is None or amount <= t.up_to_minor)
    fee = calculate_fee(schedule(tier_mode=TierMode.VOLUME, tiers=terms, rounding=rounding), amount)
    assert fee == exact(Fraction(tier.rate) * amount + tier.flat_minor, rounding)


@given(st.integers(1, 10**10), tiers(), roundings)
def test_graduated_tiers_charge_each_slice_at_its_own(amount: int, terms: tuple[Tier, ...], rounding: Rounding) -> None:
    expected, below = Fraction(0), 0
    for tier in terms:
        if amount <= below:
            break
        top = amount if tier.up_to_minor is None else min(amount, tier.up_to_minor)
        expected += Fraction(tier.rate) * (top - below) + tier.flat_minor
        below = top
    assert calculate_fee(schedule(tier_mode=TierMode.GRADUATED, tiers=terms, rounding=rounding), amount) == exact(expected, rounding)


@given(st.integers(1, 10**12), st.integers(1, 10**12), rates)
def test_a_larger_amount_never_costs_less(one: int, two: int, rate: Decimal) -> None:
    low, high = sorted((one, two))
    assert calculate_fee(schedule(rate=rate), low) <= calculate_fee(schedule(rate=rate), high)


@given(amounts, rates, roundings)
def test_the_explanation_ends_in_the_fee(amount: int, rate: Decimal, rounding: Rounding) -> None:
    terms = schedule(rate=rate, rounding=rounding, minimum_minor=3, maximum_minor=10**6)
    assert explain_fee(terms, amount).fee_minor == calculate_fee(terms, amount)


NOW = datetime(2026, 1, 1, tzinfo=UTC)
MERCHANT, OTHER = uuid4(), uuid4()


@st.composite
def candidates(draw: st.DrawFn) -> list[Schedule]:
    found = []
    for version in range(draw(st.integers(0, 8))):
        found.append(
            schedule(
                id=UUID(int=version + 1),
                version=version + 1,
                merchant_id=draw(st.sampled_from([None, MERCHANT, OTHER])),
                currency=draw(st.sampled_from([None, "USD", "EUR"])),
                kind=draw(st.sampled_from([None, "transfer", "capture"])),
                effective_from=NOW + timedelta(days=draw(st.integers(-3, 3))),
            )
        )
    return found


@given(candidates())
def test_the_most_specific_and_latest_in_force_is_chosen(found: list[Schedule]) -> None:
    chosen = choose_schedule(found, merchant_id=MERCHANT, currency="USD", kind="transfer", at=NOW)
    for merchant_id, currency in [(MERCHANT, "USD"), (MERCHANT, None), (None, "USD"), (None, None)]:
        for kind in ("transfer", None):
            scope = [s for s in found if (s.merchant_id, s.currency, s.kind) == (merchant_id, currency, kind) and s.effective_from <= NOW]
            if scope:
                assert chosen == max(scope, key=lambda s: (s.effective_from, s.version))
                return
    assert chosen is None


def test_a_fee_is_explained_part_by_part() -> None:
    tiers = (Tier(100, Decimal("0.02"), 5), Tier(None, Decimal("0.01"), 0))
    both = {"currency": "USD", "flat_minor": 30, "tiers": tiers}
    graduated = explain_fee(schedule(tier_mode=TierMode.GRADUATED, **both), 150)
    volume = explain_fee(schedule(tier_mode=TierMode.VOLUME, **both), 150)
    plain = explain_fee(schedule(), 150)
    high, low = FeePart(Decimal("0.02"), 100, 5), FeePart(Decimal("0.01"), 50)
    assert (graduated.flat_minor, graduated.parts) == (30, (high, low))
    assert (graduated.exact_scaled, graduated.rounded_minor, graduated.fee_minor) == (375 * 10**9, 38, 38)
    assert (volume.parts, volume.exact_scaled) == ((FeePart(Decimal("0.01"), 150),), 315 * 10**9)
    assert (plain.parts, plain.is_exact, plain.fee_minor) == ((FeePart(Decimal("0.01"), 150),), False, 2)
    assert explain_fee(schedule(), 200).is_exact


WAIVED = [
    {"rate": Decimal(0)},
    {"rate": Decimal(0), "minimum_minor": 0},
    {"maximum_minor": 0},
    {"tier_mode": TierMode.VOLUME, "tiers": (Tier(9, Decimal(0), 0), Tier(None, Decimal(0), 0))},
]
CHARGING = [
    {},
    {"rate": Decimal(0), "flat_minor": 1},
    {"rate": Decimal(0), "minimum_minor": 1},
    {"rate": Decimal(0), "tier_mode": TierMode.VOLUME, "tiers": (Tier(9, Decimal(0), 0), Tier(None, Decimal(0), 1))},
]


@pytest.mark.parametrize(("terms", "nothing"), [*((terms, True) for terms in WAIVED), *((terms, False) for terms in CHARGING)])
def test_a_waiver_is_known_by_its_terms(terms: dict[str, object], nothing: bool) -> None:
    assert charges_nothing(schedule(**terms)) == nothing
    assert nothing == (not any(calculate_fee(schedule(**terms), amount) for amount in (1, 9, 10, 10**6)))


@pytest.mark.parametrize("text", ["0", "1", "0.01", "1.0000000000", "0.0000000001"])
def test_a_rate_is_a_plain_decimal_from_0_to_1(text: str) -> None:
    assert is_rate(text)


@pytest.mark.parametrize("text", ["-0.1", "1.1", "2", "1e-2", "0.00000000001", "NaN", "0,1", " 0.1", "\uff10.1", 0.1, None])
def test_nothing_else_is_a_rate(text: object) -> None:
    assert not is_rate(text)


@pytest.mark.parametrize(
    ("minor", "is_one"), [(0, True), (MAX_PART_MINOR, True), (MAX_PART_MINOR + 1, False), (-1, False), (True, False), (1.0, False)]
)
def test_an_amount_in_a_schedule_is_a_bounded_whole_number(minor: object, is_one: bool) -> None:
    assert is_part(minor) == is_one
    assert not is_part(0, least=1)
