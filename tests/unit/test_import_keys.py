"""The keys of a file: which lines repeat the key of an earlier one, in both readings."""

from __future__ import annotations

from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from transfers.management.import_keys import FileKeys


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=6), max_size=5))
def test_both_readings_know_the_first_line_of_a_repeated_key(chunks: list[list[str]]) -> None:
    first: dict[str, int] = {}
    expected: dict[int, int] = {}
    line = 1
    with closing(FileKeys()) as keys:
        for chunk in chunks:
            asked = []
            for key in chunk:
                line += 2  # there are records of several lines, and empty lines
                asked.append((key, line))
            found = keys.add(asked)
            here = {number: first[key] for key, number in asked if first.setdefault(key, number) != number}
            assert found == here
            expected |= here
        assert {number: known for number in range(line + 2) if (known := keys.first_line(number)) is not None} == expected
