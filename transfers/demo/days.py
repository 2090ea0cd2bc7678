"""Moments of the demo's movements: more from week to week, fewer on weekends, none at night."""

from __future__ import annotations

import random
from datetime import UTC, datetime, time, timedelta

WEEK = (1.0, 1.03, 1.06, 1.1, 1.3, 0.8, 0.5)
"""The weights of the days, from Monday."""

GROWTH = 2.2
"""The weight of the last day as a multiple of the first one's."""

_OPENS_H, _PEAK_H, _CLOSES_H = 6.0, 14.5, 23.0


def busy_moments(start: datetime, end: datetime, count: int, dice: random.Random) -> list[datetime]:
    """Return ``count`` moments from ``start`` to ``end`` (in UTC), in order."""
    first = start.astimezone(UTC).date()
    days = [first + timedelta(days=n) for n in range((end.astimezone(UTC).date() - first).days + 1)]
    weights = []
    for n, day in enumerate(days):
        opened, closed = _hours(datetime.combine(day, time(), UTC), start, end)
        open_share = max(0.0, (closed - opened) / timedelta(hours=_CLOSES_H - _OPENS_H))
        growth = GROWTH ** (n / max(1, len(days) - 1))
        weights.append(WEEK[day.weekday()] * growth * dice.uniform(0.85, 1.15) * open_share)
    if not any(weights):  # a span within one night
        return sorted(start + (end - start) * dice.random() for _ in range(count))
    return sorted(_moment(*_hours(datetime.combine(day, time(), UTC), start, end), dice) for day in dice.choices(days, weights, k=count))


def _hours(midnight: datetime, start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Return when a day's business begins and ends, as far as it is in the span."""
    opens, closes = midnight + timedelta(hours=_OPENS_H), midnight + timedelta(hours=_CLOSES_H)
    return max(opens, start), min(closes, end)


def _moment(opens: datetime, closes: datetime, dice: random.Random) -> datetime:
    peak = (_PEAK_H - _OPENS_H) / (_CLOSES_H - _OPENS_H)
    return opens + (closes - opens) * dice.triangular(0, 1, peak)
