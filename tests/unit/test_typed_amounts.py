"""Amounts that a person types: every character is understood or the amount is refused, none is dropped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.amounts import shown_number
from ledger_project.kernel.money import MAX_AMOUNT_MINOR, CurrencyUnit, InvalidAmount, format_minor, parse_typed_major

EUR, JPY, KWD, BTC = CurrencyUnit("EUR", 2), CurrencyUnit("JPY", 0), CurrencyUnit("KWD", 3), CurrencyUnit("BTC", 8)


@pytest.mark.parametrize(
    "text",
    [
        "10,50", "1,5", ",5", "5,", "1,,000", "1,234,5", "12,34,567", "0,500", "01,000", "1,050,", ",1,050", "1.000,00", "1.050.000", "1,00.0",
        "1_000", "1 000", "1\u00a0000", "1\u202f000", "1'000", "1’000", " 10.50", "10.50 ", "\u00a010", "\t10", "10\n", "\ufeff10", "10\u200b", "１０",
        "٣", "1٠", "१", "²", "1e3", "+1", "-1", "--1", "(1)", "0x10", "NaN", "Infinity", "1.", ".5", "00", "01", "1.005", "10 EUR", "€10", "1;5",
        "1，050", "1٬050", "1٫5", "\x0010", "10\x00", "", " ", "0", "0.00", "1" * 40, "9" * 31,
    ],
)  # fmt: skip
def test_what_is_not_understood_whole_is_refused(text: str) -> None:
    with pytest.raises(InvalidAmount):
        parse_typed_major(text, EUR)


@pytest.mark.parametrize(
    ("text", "unit", "minor"),
    [
        ("10.50", EUR, 1050), ("1,050", EUR, 105_000), ("1,050.00", EUR, 105_000), ("12,345,678.9", EUR, 1_234_567_890), ("1,050", JPY, 1050),
        ("1,050.000", KWD, 1_050_000), ("1,050,000", KWD, 1_050_000_000), ("1.050", KWD, 1050), ("1,050.00000001", BTC, 105_000_000_001),
    ],
)  # fmt: skip
def test_thousands_may_be_grouped_as_they_are_shown(text: str, unit: CurrencyUnit, minor: int) -> None:
    assert parse_typed_major(text, unit) == minor


@pytest.mark.parametrize("unit", [KWD, BTC])
def test_a_lone_group_that_could_be_a_fraction_is_refused(unit: CurrencyUnit) -> None:
    with pytest.raises(InvalidAmount, match=r"write 1050, or 1\.050"):
        parse_typed_major("1,050", unit)


@given(st.integers(1, MAX_AMOUNT_MINOR), st.sampled_from([EUR, JPY, KWD, BTC]))
def test_every_amount_can_be_typed_as_it_is_shown(minor: int, unit: CurrencyUnit) -> None:
    assert parse_typed_major(format_minor(minor, unit.exponent), unit) == minor
    if unit.exponent:
        assert parse_typed_major(shown_number(minor, unit), unit) == minor


@given(st.text(st.sampled_from("0123456789,. _'\u00a0٣１-"), max_size=12))
def test_no_text_stands_for_another_number_than_its_digits_and_points_say(text: str) -> None:
    try:
        minor = parse_typed_major(text, EUR)
    except InvalidAmount:
        return
    assert text in {
        format_minor(minor, 2),
        shown_number(minor, EUR),
        *_shorter(format_minor(minor, 2)),
        *_shorter(shown_number(minor, EUR)),
    }


def _shorter(text: str) -> set[str]:
    return {text.removesuffix("0"), text.removesuffix(".00")}
