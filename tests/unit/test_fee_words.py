"""A fee in words: what the admin says is what the domain computes, to the digit."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fees.admin.words import computation, effective_percent, scope_words, shown_percent, terms, tier_lines
from fees.domain import RATE_SCALE, Rounding, Tier, TierMode, calculate_fee
from ledger_project.kernel.money import CurrencyUnit
from tests.support.factories import USD, schedule
from tests.unit.test_fees import tiers

YEN, ETHER = CurrencyUnit("JPY", 0), CurrencyUnit("ETH", 18)
TIERS = (Tier(100_00, Decimal("0.02"), 5), Tier(None, Decimal("0.01"), 0))


@pytest.mark.parametrize(
    ("changes", "amount_minor", "words"),
    [
        ({}, 112_50, "1% of 112.50 = 1.125, half-even → 1.12"),
        ({}, 100_00, "1% of 100.00 = 1.00"),
        ({"rounding": Rounding.UP}, 1, "1% of 0.01 = 0.0001, up → 0.01"),
        ({"flat_minor": 30, "rate": Decimal("0.029")}, 10_00, "0.30 flat + 2.9% of 10.00 = 0.59"),
        ({"flat_minor": 30, "rate": Decimal(0)}, 10_00, "0.30 flat = 0.30"),
        ({"rate": Decimal(0)}, 10_00, "0% of 10.00 = 0.00"),
        ({"minimum_minor": 2_00}, 112_50, "1% of 112.50 = 1.125, half-even → 1.12, below the minimum → 2.00"),
        ({"maximum_minor": 5_00}, 1_000_00, "1% of 1,000.00 = 10.00, above the maximum → 5.00"),
        ({"tier_mode": TierMode.VOLUME, "tiers": TIERS}, 100_00, "tier up to 100.00: 2% of 100.00 + 0.05 flat = 2.05"),
        ({"tier_mode": TierMode.VOLUME, "tiers": TIERS}, 100_01, "tier beyond 100.00: 1% of 100.01 = 1.0001, half-even → 1.00"),
        (
            {"tier_mode": TierMode.GRADUATED, "tiers": TIERS, "flat_minor": 30},
            150_00,
            "each slice by its tier: 0.30 flat + 2% of 100.00 + 0.05 flat + 1% of 50.00 = 2.85",
        ),
    ],
)
def test_a_fee_is_told_in_major_units(changes: dict[str, object], amount_minor: int, words: str) -> None:
    assert computation(schedule(**changes), amount_minor, USD) == words


def test_currencies_of_no_decimals_and_of_many_are_told_exactly() -> None:
    assert computation(schedule(), 150, YEN) == "1% of 150 = 1.5, half-even → 2"
    assert computation(schedule(), 10**30 + 1, ETHER) == (
        "1% of 1,000,000,000,000.000000000000000001 = 10,000,000,000.00000000000000000001, half-even → 10,000,000,000.00000000"
    )


@given(st.integers(0, RATE_SCALE), st.integers(1, 10**30), st.sampled_from([YEN, USD, ETHER]), st.sampled_from(list(Rounding)))
def test_every_number_that_is_told_is_exact(scaled: int, amount_minor: int, unit: CurrencyUnit, rounding: Rounding) -> None:
    told = schedule(rate=Decimal(scaled).scaleb(-10), rounding=rounding)
    words = computation(told, amount_minor, unit).replace(",", "").replace("% of ", "|").replace(" = ", "|").replace(" → ", "|").split("|")
    rate, amount, exact, rounded = [Fraction(text.split(" ")[0]) for text in [*words, words[-1]][:4]]
    fee_minor = calculate_fee(told, amount_minor)
    assert rate / 100 * amount == exact == Fraction(scaled, RATE_SCALE) * Fraction(amount_minor, 10**unit.exponent)
    assert rounded == Fraction(fee_minor, 10**unit.exponent)


@given(st.integers(0, RATE_SCALE))
def test_a_rate_in_per_cent_is_exact(scaled: int) -> None:
    text = shown_percent(scaled)
    assert Fraction(text.removesuffix("%")) / 100 == Fraction(scaled, RATE_SCALE)
    assert "E" not in text


@pytest.mark.parametrize(
    ("fee_minor", "amount_minor", "text"), [(1, 100, "1%"), (1, 300, "≈ 0.3333%"), (2, 300, "≈ 0.6667%"), (0, 7, "0%"), (700, 7, "10,000%")]
)
def test_the_effective_rate_says_where_it_is_rounded(fee_minor: int, amount_minor: int, text: str) -> None:
    assert effective_percent(fee_minor, amount_minor) == text


def test_terms_are_told_in_one_line() -> None:
    of_usd = {"currency": "USD", "flat_minor": 30}
    assert terms(schedule(), None) == terms(schedule(currency="USD"), USD) == "1%, half-even"
    assert terms(schedule(minimum_minor=50, maximum_minor=5_000_00, **of_usd), USD) == (
        "1% + 0.30, at least 0.50, at most 5,000.00 USD, half-even"
    )
    assert terms(schedule(tier_mode=TierMode.VOLUME, tiers=TIERS, currency="USD"), USD) == (
        "up to 100.00: 2% + 0.05; beyond 100.00: 1%, in USD (whole amount at its tier's terms), half-even"
    )
    assert terms(schedule(rate=Decimal(0)), None) == "nothing: fees are waived"


@given(tiers())
def test_each_tier_has_its_line(found: tuple[Tier, ...]) -> None:
    lines = tier_lines(schedule(tier_mode=TierMode.VOLUME, tiers=found), USD)
    assert [line.partition(" ")[0] for line in lines[:-1]] == ["up"] * (len(found) - 1)
    assert lines[-1].startswith("beyond" if len(found) > 1 else "any amount")


def test_a_scope_is_told_by_whom_currency_and_kind() -> None:
    assert scope_words(None, None, None) == "everyone"
    assert scope_words(None, "USD", None) == "everyone in USD"
    assert scope_words("alice", None, "capture") == "alice in every currency, captures only"
    assert scope_words("alice", "USD", None) == "alice in USD"
