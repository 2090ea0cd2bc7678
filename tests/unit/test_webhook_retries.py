"""When a delivery is sent again: after about 5 s, then ever later, for three days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.domain.retries import LONGEST_PAUSE_S, TRIED_FOR, next_attempt, pause_s, retry_after_s

START = datetime(2026, 1, 1, tzinfo=UTC)
CHANCES = st.floats(0, 1)


def test_the_first_pause_is_about_five_seconds() -> None:
    assert [pause_s(1, chance=chance) for chance in (0.0, 0.5, 1.0)] == pytest.approx([4.0, 5.0, 6.0])


def test_pauses_grow_up_to_six_hours() -> None:
    pauses = [pause_s(failures, chance=0.5) for failures in range(1, 30)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_S
    assert pause_s(10_000, chance=0.5) == LONGEST_PAUSE_S


@given(st.lists(CHANCES, min_size=40, max_size=40), st.one_of(st.none(), st.floats(0, 1e9)))
def test_a_delivery_is_tried_for_three_days_and_then_no_more(chances: list[float], asked_s: float | None) -> None:
    now, failures = START, 0
    while True:
        failures += 1
        at = next_attempt(first_at=START, now=now, failures=failures, asked_s=asked_s, chance=chances[failures % 40])
        if at is None:
            break
        assert now + timedelta(seconds=3.9) < at <= START + TRIED_FOR or at == START + TRIED_FOR
        now = at
    assert now == START + TRIED_FOR
    assert failures < 40


@pytest.mark.parametrize(("asked_s", "expected_s"), [(None, 5.0), (0.0, 5.0), (60.0, 60.0), (1e9, LONGEST_PAUSE_S)])
def test_a_receiver_can_ask_for_a_longer_pause_only(asked_s: float | None, expected_s: float) -> None:
    at = next_attempt(first_at=START, now=START, failures=1, asked_s=asked_s, chance=0.5)
    assert at == START + timedelta(seconds=expected_s)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("-7", None),
        ("1.5", None),
        ("soon", None),
        ("9" * 41, None),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0),
        ("Thu, 01 Jan 2026 00:01:00", 60.0),
        ("Thu, 01 Jan 2026 00:01:00 -0000", 60.0),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0.0),
        ("Thu, 99 Jan 2026 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, expected: float | None) -> None:
    assert retry_after_s(text, now=START) == expected
