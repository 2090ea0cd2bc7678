"""What people type into the forms of fees is read exactly, or refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fees.admin.tier_rows import FLAT, PERCENT, UP_TO, TierRow, read_rows, rows_from, rows_of, shown_rows, sorted_rows
from fees.admin.typed import (
    MOST_AMOUNTS,
    NoRate,
    amounts_of,
    default_amounts,
    is_zero,
    money_of,
    money_text,
    percent_text,
    rate_of,
    rate_text,
)
from fees.domain import MAX_PART_MINOR, RATE_SCALE, Tier, is_rate
from ledger_project.kernel.money import CurrencyUnit, InvalidAmount
from tests.support.factories import USD
from tests.unit.test_fees import tiers

YEN, DINAR, ETHER = CurrencyUnit("JPY", 0), CurrencyUnit("KWD", 3), CurrencyUnit("ETH", 18)
units = st.sampled_from([YEN, USD, DINAR, ETHER])


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("1", "0.01"),
        ("1.25", "0.0125"),
        ("1.25%", "0.0125"),
        ("1.25 %", "0.0125"),
        ("0", "0"),
        ("100", "1"),
        ("0.00000001", "0.0000000001"),
    ],
)
def test_a_rate_is_typed_in_per_cent(text: str, rate: str) -> None:
    assert rate_of(text) == Decimal(rate)


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "1%%", "1,5", "01", "-1", "+1", "1e2", ".5", "1.", "100.1", "101", "1000", "1.123456789", "١", "NaN"]
)
def test_nothing_else_is_a_rate(text: str) -> None:
    with pytest.raises(NoRate):
        rate_of(text)


@given(st.integers(0, RATE_SCALE))
def test_a_rate_is_shown_as_it_is_typed(scaled: int) -> None:
    rate = Decimal(scaled).scaleb(-10)
    assert rate_of(percent_text(rate)) == rate
    assert is_rate(rate_text(rate))
    assert Decimal(rate_text(rate)) == rate


@given(st.integers(0, MAX_PART_MINOR), units)
def test_money_is_shown_as_it_is_typed(minor: int, unit: CurrencyUnit) -> None:
    assert money_of(money_text(minor, unit), unit) == minor


def test_zero_is_money_here_and_no_amount_of_a_preview() -> None:
    assert money_of("0.00", USD) == 0
    assert amounts_of("0", USD) == ([], ["0 is left out: an amount must be more than zero."])
    assert [is_zero(text) for text in ("0", "0.00", "", "00", "0.", ".0", "-0", "0.01", "0 ")] == [True, True] + [False] * 7
    with pytest.raises(InvalidAmount):
        money_of("0.001", USD)


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("10 112.50 5,000", [10_00, 112_50, 5000_00]),
        ("10, 112.50, 5,000", [10_00, 112_50, 5000_00]),
        ("10;112.50\n5,000", [10_00, 112_50, 5000_00]),
        (" 10  10 ", [10_00]),
        ("", []),
    ],
)
def test_several_amounts_are_typed_in_one_field(text: str, amounts: list[int]) -> None:
    assert amounts_of(text, USD) == (amounts, [])


def test_an_amount_that_is_not_understood_is_named_and_the_others_are_tried() -> None:
    found, wrong = amounts_of("10 10,50 1.005 x", USD)
    assert found == [10_00]
    assert [words.split(" ")[0] for words in wrong] == ["10,50", "1.005", "x"]
    assert "groups thousands" in wrong[0]
    many, wrong = amounts_of(" ".join(map(str, range(1, 50))), USD)
    assert len(many) == MOST_AMOUNTS
    assert wrong == [f"{MOST_AMOUNTS} amounts are shown at most."]


@given(units)
def test_ready_made_amounts_are_amounts_and_lie_around_the_bounds_of_tiers(unit: CurrencyUnit) -> None:
    assert {7, 8} <= set(default_amounts(unit, [7]))
    assert all(amount > 0 for amount in default_amounts(unit))


# --- tiers as rows -----------------------------------------------------------------------------------------------------------


@given(tiers(), units)
def test_stored_tiers_are_shown_as_they_are_typed(stored: tuple[Tier, ...], unit: CurrencyUnit) -> None:
    read, rows = read_rows(rows_from(stored, unit), unit)
    assert not any(row.errors for row in rows)
    again = [Tier(tier["up_to_minor"], Decimal(tier["rate"]), tier["flat_minor"]) for tier in read]
    assert tuple(again) == stored


@given(st.permutations([TierRow("10", "3"), TierRow("5,000", "2", "0.10"), TierRow("20.50", "1"), TierRow("", "0.5")]))
def test_rows_are_put_in_the_order_of_their_bounds(rows: list[TierRow]) -> None:
    read, shown = read_rows(rows, USD)
    assert [tier["up_to_minor"] for tier in read] == [10_00, 20_50, 5000_00, None]
    assert [row.percent for row in shown] == ["3", "1", "2", "0.5"]
    assert not any(row.errors for row in shown)


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [
        ([TierRow("10", "1"), TierRow("20", "1")], {1: UP_TO}),
        ([TierRow("", "1"), TierRow("", "2")], {0: UP_TO}),
        ([TierRow("10", "1"), TierRow("10.00", "2"), TierRow("", "1")], {1: UP_TO}),
        ([TierRow("x", "1"), TierRow("", "2")], {0: UP_TO}),
        ([TierRow("0", "1"), TierRow("", "2")], {0: UP_TO}),
        ([TierRow("10", "1,5"), TierRow("", "2")], {0: PERCENT}),
        ([TierRow("10", "1", "1,5"), TierRow("", "2")], {0: FLAT}),
        ([TierRow("10"), TierRow("", "2")], {0: PERCENT}),
    ],
)
def test_a_wrong_row_is_told_at_its_input(rows: list[TierRow], wrong: dict[int, str]) -> None:
    _, read = read_rows(rows, USD)
    assert {place: "".join(row.errors) for place, row in enumerate(read) if row.errors} == wrong


def test_a_row_without_a_rate_costs_its_flat_part() -> None:
    read, rows = read_rows([TierRow("10", "", "0.50"), TierRow("", "0")], USD)
    assert read == [{"up_to_minor": 10_00, "rate": "0", "flat_minor": 50}, {"up_to_minor": None, "rate": "0", "flat_minor": 0}]
    assert not any(row.errors for row in rows)


def test_rows_that_cannot_be_sorted_stay_as_they_are() -> None:
    rows = [TierRow("9", "1"), TierRow("x", "1"), TierRow("1", "1")]
    assert sorted_rows(rows, USD) == rows
    assert sorted_rows([rows[0], TierRow(), rows[2]], None) == [rows[0], rows[2]]
    assert sorted_rows([rows[0], TierRow(), rows[2]], USD) == [rows[2], rows[0]]


def test_what_is_missing_of_a_row_is_empty() -> None:
    assert rows_of({UP_TO: ["1", "2"], PERCENT: "3"}) == [TierRow("1", "3"), TierRow("2")]
    assert rows_of({}) == []
    assert len(rows_of({FLAT: ["1"] * 1000})) == 100
    assert shown_rows([], more=1) == [TierRow()] * 3
