"""Money is integers: strings in, strings out, and nothing in between is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_project.kernel.money import MAX_AMOUNT_MINOR, CurrencyUnit, InvalidAmount, format_minor, parse_major, parse_positive_major

BTC = CurrencyUnit("BTC", 8)
USD = CurrencyUnit("USD", 2)
JPY = CurrencyUnit("JPY", 0)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [("0.000005", BTC, 500), ("1", USD, 100), ("1.5", USD, 150), ("0.01", USD, 1), ("7", JPY, 7), ("0", USD, 0)],
)
def test_a_decimal_string_is_read_exactly(text: str, currency: CurrencyUnit, minor: int) -> None:
    assert parse_major(text, currency) == minor


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "+1",
        "-1",
        "1e3",
        "1E3",
        ".5",
        "5.",
        "01",
        "1,000",
        "NaN",
        "Infinity",
        "1.000",
        "0x10",
        "١",
        "1_0",
        "\n1",
        "1\n",
    ],
)
def test_anything_but_a_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(InvalidAmount):
        parse_major(text, USD)


def test_a_currency_without_decimals_takes_none() -> None:
    with pytest.raises(InvalidAmount, match="JPY has 0 decimals"):
        parse_major("1.0", JPY)


def test_the_largest_amount_is_taken_and_one_more_is_not() -> None:
    assert parse_major(str(MAX_AMOUNT_MINOR), JPY) == MAX_AMOUNT_MINOR
    with pytest.raises(InvalidAmount, match=r"10\^30"):
        parse_major(str(MAX_AMOUNT_MINOR + 1), JPY)


def test_zero_is_no_amount_to_move() -> None:
    with pytest.raises(InvalidAmount, match="more than zero"):
        parse_positive_major("0.00", USD)


@given(st.integers(0, MAX_AMOUNT_MINOR), st.sampled_from([0, 2, 3, 8, 18]))
def test_what_is_written_is_read_back_the_same(minor: int, exponent: int) -> None:
    currency = CurrencyUnit("X", exponent)
    assert parse_major(format_minor(minor, exponent), currency) == minor


@given(st.integers(-(10**38), 10**38), st.sampled_from([0, 2, 3, 8, 18]))
def test_a_written_amount_has_all_decimals_of_its_currency(minor: int, exponent: int) -> None:
    text = format_minor(minor, exponent)
    assert len(text.partition(".")[2]) == exponent
    assert int(text.replace(".", "")) == minor
