"""Days and moments that people type: whole and usable, or none."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from ledger_project.kernel.days import day_of, moment_of


def test_a_day_is_read_as_iso_writes_it() -> None:
    assert day_of("2026-02-28") == date(2026, 2, 28)


@pytest.mark.parametrize(
    "text",
    [None, "", "2026-02-30", "2026-2-3", "20260203", "2026-W06-1", "1969-12-31", "9999-12-31", "2026-02-03\x00", "\uff12026-02-03", "NaN"],
)
def test_what_is_no_day_or_none_that_can_be_used_is_none(text: str | None) -> None:
    assert day_of(text) is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-02-28T10:00Z", datetime(2026, 2, 28, 10, tzinfo=UTC)),
        ("2026-02-28 10:00:01.5+02:00", datetime(2026, 2, 28, 8, 0, 1, 500_000, tzinfo=UTC)),
        ("2026-02-28T23:30:00-14:00", datetime(2026, 3, 1, 13, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_is_read_with_its_offset(text: str, moment: datetime) -> None:
    assert moment_of(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-02-28",
        "2026-02-28T10:00",
        "2026-02-30T10:00Z",
        "9999-12-31T23:59:59.999999-14:00",
        "0001-01-01T00:00+14:00",
        "2026-02-28T25:00Z",
    ],
)
def test_what_is_no_moment_or_none_that_can_be_used_is_none(text: str) -> None:
    assert moment_of(text) is None
