"""Text for spreadsheets: no cell that comes out of it is a formula, whatever the program separates cells by."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfers.statements.spreadsheets import neutralised

SIGNS = "=+-@＝＋－＠﹦﹢﹣﹫"


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("before", ["", " ", "\t", "\r", "\n", "\u00a0", "\ufeff", "\u200b", "  \u3000"])
def test_a_formula_is_quoted_also_after_what_is_not_seen(sign: str, before: str) -> None:
    text = f"{before}{sign}HYPERLINK(1)"
    assert neutralised(text).startswith("'")
    assert neutralised(text).replace("'", "") == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("\nx", "'\nx"),
        ("a;=1+1;b", "a;'=1+1;b"),
        ("a\n=1+1", "a\n'=1+1"),
        ("a\t@SUM(A1)", "a\t'@SUM(A1)"),
        ("-5.00", "'-5.00"),
    ],
)
def test_where_a_cell_could_begin_a_formula_is_quoted(text: str, expected: str) -> None:
    assert neutralised(text) == expected


@pytest.mark.parametrize("text", ["", "a", "a=b", "a-b", "e@mail", "1+1", "a; b", "two\nlines", "'quoted", "naïve ☃", " blanks ", '"=1"'])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert neutralised(text) == text


@given(st.text(st.sampled_from([*SIGNS, *" ;,\t\r\n'\"ax1\ufeff\u200b"]) | st.characters(codec="utf-8"), max_size=30))
def test_no_cell_of_any_text_is_a_formula(text: str) -> None:
    made = neutralised(text)
    assert neutralised(made) == made
    for cell in re.split("[;\t\r\n]", made):
        assert not re.match(rf"[\s\ufeff\u200b]*[{re.escape(SIGNS)}]", cell)
    assert made.replace("'", "") == text.replace("'", "")
