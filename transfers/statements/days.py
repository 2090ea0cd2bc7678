"""The days of a statement as people ask for them: typed into a form, or chosen ready-made.

Days are of UTC, and both ends are included. A form of the admin and one of the portal read them by
the same rules, and say what is wrong in the same words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

from ledger_project.kernel.days import day_of

FIRST, LAST = "from", "to"
"""The names of the two fields, in forms and in addresses."""

_MOST_REPEATED = 40
"""Characters of a wrong text that a message repeats."""


@dataclass(frozen=True, slots=True)
class Preset:
    """Ready-made days, and what they are called."""

    words: str
    first: date
    last: date

    @property
    def query(self) -> str:
        """The days as the query of an address."""
        return urlencode({FIRST: self.first, LAST: self.last})


def presets(today: date | None = None) -> list[Preset]:
    """Return the ready-made periods, up to a day (today in UTC)."""
    today = today or datetime.now(UTC).date()
    yesterday = today - timedelta(days=1)
    this_month, this_quarter = today.replace(day=1), today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1)
    last_month, last_quarter = this_month - timedelta(days=1), this_quarter - timedelta(days=1)
    return [
        Preset("Today", today, today),
        Preset("Yesterday", yesterday, yesterday),
        Preset("This month", this_month, today),
        Preset("Last month", last_month.replace(day=1), last_month),
        Preset("Last quarter", last_quarter.replace(month=last_quarter.month - 2, day=1), last_quarter),
        Preset("This year", today.replace(month=1, day=1), today),
    ]


@dataclass(frozen=True, slots=True)
class StatementDays:
    """The first and the last day that were asked for; None where there is no bound.

    ``problems`` says what is wrong, by the name of the field. Then there are no days, and whoever
    reads them shows nothing. ``typed`` are the days that stood in the fields all the same.
    """

    first: date | None = None
    last: date | None = None
    problems: Mapping[str, str] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, query: Mapping[str, str], *, today: date | None = None) -> StatementDays:
        """Read the days from the query of an address."""
        today = today or datetime.now(UTC).date()
        typed = {name: query[name].strip() for name in (FIRST, LAST) if query.get(name, "").strip()}
        days = {name: day_of(text) for name, text in typed.items()}
        problems = {name: problem for name, text in typed.items() if (problem := _problem(text, days[name], today))}
        first, last = days.get(FIRST), days.get(LAST)
        if not problems and first is not None and last is not None and first > last:
            problems[LAST] = f"The period ends on {last}, before it begins on {first}."
        readable = {name: text for name, text in typed.items() if days[name] is not None}  # a field of days takes nothing else
        return cls(None, None, problems, readable) if problems else cls(first, last, {}, readable)

    @property
    def start(self) -> datetime | None:
        """The beginning of the first day."""
        return None if self.first is None else _midnight(self.first)

    @property
    def end(self) -> datetime | None:
        """The end of the last day: the first moment after it."""
        return None if self.last is None else _midnight(self.last + timedelta(days=1))

    @property
    def problem(self) -> str:
        """All that is wrong, in one text; empty if nothing is."""
        return " ".join(self.problems.values())


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _problem(text: str, day: date | None, today: date) -> str:
    """Return what is wrong with the text of a field; nothing if it is a day until today."""
    if day is None:
        return f"No day: {text[:_MOST_REPEATED]}. A day as in 2026-01-31 is expected."
    return f"{day} has not come yet. Today is {today} (UTC)." if day > today else ""
