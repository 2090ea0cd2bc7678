"""The days of a statement: ready-made ones, what is read of an address, and what is wrong with it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import pytest

from transfers.statements.days import StatementDays, presets

TODAY = date(2026, 11, 26)


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (
            date(2026, 11, 26),
            {
                "Today": ("2026-11-26", "2026-11-26"),
                "Yesterday": ("2026-11-25", "2026-11-25"),
                "This month": ("2026-11-01", "2026-11-26"),
                "Last month": ("2026-10-01", "2026-10-31"),
                "Last quarter": ("2026-07-01", "2026-09-30"),
                "This year": ("2026-01-01", "2026-11-26"),
            },
        ),
        (
            date(2028, 1, 1),
            {
                "Today": ("2028-01-01", "2028-01-01"),
                "Yesterday": ("2027-12-31", "2027-12-31"),
                "This month": ("2028-01-01", "2028-01-01"),
                "Last month": ("2027-12-01", "2027-12-31"),
                "Last quarter": ("2027-10-01", "2027-12-31"),
                "This year": ("2028-01-01", "2028-01-01"),
            },
        ),
        (
            date(2028, 3, 31),
            {
                "Today": ("2028-03-31", "2028-03-31"),
                "Yesterday": ("2028-03-30", "2028-03-30"),
                "This month": ("2028-03-01", "2028-03-31"),
                "Last month": ("2028-02-01", "2028-02-29"),
                "Last quarter": ("2027-10-01", "2027-12-31"),
                "This year": ("2028-01-01", "2028-03-31"),
            },
        ),
    ],
)
def test_ready_made_periods(today: date, expected: dict[str, tuple[str, str]]) -> None:
    assert {one.words: (str(one.first), str(one.last)) for one in presets(today)} == expected
    assert all(not StatementDays.of({"from": first, "to": last}, today=today).problem for first, last in expected.values())


def test_both_days_are_included() -> None:
    days = StatementDays.of({"from": "2026-11-01", "to": " 2026-11-26 "}, today=TODAY)
    assert (days.start, days.end) == (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 27, tzinfo=UTC))
    assert not days.problem
    empty = StatementDays.of({"from": "", "to": ""}, today=TODAY)
    assert (empty.start, empty.end, empty.problem) == (None, None, "")


@pytest.mark.parametrize(
    ("query", "problems"),
    [
        ({"from": "2026-02-30"}, {"from": "No day: 2026-02-30. A day as in 2026-01-31 is expected."}),
        ({"to": "26.11.2026"}, {"to": "No day: 26.11.2026. A day as in 2026-01-31 is expected."}),
        ({"from": "2026-11-27"}, {"from": "2026-11-27 has not come yet. Today is 2026-11-26 (UTC)."}),
        ({"from": "2026-11-02", "to": "2026-11-01"}, {"to": "The period ends on 2026-11-01, before it begins on 2026-11-02."}),
        (
            {"from": "x" * 99, "to": "9999-01-01"},
            {
                "from": f"No day: {'x' * 40}. A day as in 2026-01-31 is expected.",
                "to": "No day: 9999-01-01. A day as in 2026-01-31 is expected.",
            },
        ),
    ],
)
def test_what_is_wrong_is_said_by_field_and_leaves_no_days(query: dict[str, str], problems: dict[str, str]) -> None:
    days = StatementDays.of(query, today=TODAY)
    assert days.problems == problems
    assert (days.start, days.end) == (None, None)
    assert days.typed == {name: text for name, text in query.items() if re.fullmatch(r"2026-\d\d-\d\d", text) and text != "2026-02-30"}
