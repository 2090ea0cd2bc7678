"""What is kept of metadata: what is shown later is what was sent, and it does not grow."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_project.kernel.metadata import MAX_BYTES, InexactNumber, MetadataRefused, keep_metadata, read_decimal, stored_json

numbers = st.floats(allow_nan=False, allow_infinity=False).map(lambda value: read_decimal(f"{value:.14e}"))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**40), 10**40) | numbers.filter(lambda n: not isinstance(n, InexactNumber)) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize("text", ["1.5", "0.1", "-0.25", "1E2", "1e22", "123456789012345e3", "0.0", "2.5e-10", "1e308"])
def test_a_decimal_of_15_digits_is_read_as_it_is(text: str) -> None:
    number = read_decimal(text)
    assert not isinstance(number, InexactNumber)
    assert Decimal(repr(number)) == Decimal(text)


@pytest.mark.parametrize("text", ["0.1234567890123456", "1e309", "-1e400", "1e-320", "1e-400", "1.0000000000000001"])
def test_what_no_double_holds_is_refused_by_its_field(text: str) -> None:
    with pytest.raises(MetadataRefused) as refused:
        keep_metadata({"list": [{"x": read_decimal(text)}]})
    assert refused.value.code == "invalid_number"


def test_nothing_is_nothing() -> None:
    assert keep_metadata({}) == {}


def test_numbers_are_written_out_and_texts_that_look_like_them_are_not() -> None:
    kept = keep_metadata({"a": read_decimal("1e22"), "b": "1e22", "c": read_decimal("2.5e-10"), "d": read_decimal("-0.0"), 'e"1e5': None})
    assert stored_json(kept) == '{"a":10000000000000000000000.0,"b":"1e22","c":0.00000000025,"d":0.0,"e\\"1e5":null}'


@pytest.mark.parametrize("metadata", [{"x": "a" * MAX_BYTES}, {"x": "\u00e9" * (MAX_BYTES // 2)}, {"x": [read_decimal("1e308")] * 60}])
def test_the_bound_is_on_what_is_stored(metadata: dict[str, Any]) -> None:
    with pytest.raises(MetadataRefused) as refused:
        keep_metadata(metadata)
    assert refused.value.code == "max_length"


@pytest.mark.parametrize("metadata", [{"x": "a\x00"}, {"\x00": 1}, {"x": [{"y": ["\x00"]}]}])
def test_nul_characters_are_refused_wherever_they_stand(metadata: dict[str, Any]) -> None:
    with pytest.raises(MetadataRefused) as refused:
        keep_metadata(metadata)
    assert refused.value.code == "nul"


def test_a_text_that_only_spells_a_nul_is_kept() -> None:
    assert keep_metadata({"x": "\\u0000"}) == {"x": "\\u0000"}


@given(st.dictionaries(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])), values, max_size=4))
def test_what_is_kept_is_what_is_stored(metadata: dict[str, Any]) -> None:
    try:
        kept = keep_metadata(metadata)
    except MetadataRefused:
        return
    assert json.loads(stored_json(kept)) == kept
    assert keep_metadata(kept) == kept
