"""The statement of an account as a panel of its page, with filters, ready-made days and files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from console.amounts import shown
from console.panels import PAGE, STATEMENT_HEADERS, Cell, Filter, Panel, entry_row
from merchants.models import Account
from transfers.domain.kinds import EntryType
from transfers.selectors.statements import MOVED, Period, get_period, period_lines
from transfers.statements.days import FIRST, LAST, StatementDays, presets
from transfers.statements.formats import StatementFormat

_TYPES = frozenset([MOVED, *(one.value for one in EntryType)])


@dataclass(frozen=True, slots=True)
class StatementFilters:
    """The part of a statement that is shown: days, and a type of entry.

    ``type_problem`` says what is wrong with the type that was asked for; then there is none.
    """

    days: StatementDays
    entry_type: str = ""
    type_problem: str = ""

    @classmethod
    def of(cls, request: HttpRequest) -> StatementFilters:
        """Read the filters from the address of the page."""
        wanted = request.GET.get("type", "").strip()
        if wanted and wanted not in _TYPES:
            return cls(StatementDays.of(request.GET), "", f"No type of entry: {wanted[:40]}.")
        return cls(StatementDays.of(request.GET), wanted)

    @property
    def problem(self) -> str:
        """All that is wrong with the filters, in one text; empty if nothing is."""
        return " ".join(filter(None, (self.days.problem, self.type_problem)))

    def period(self, account: Account) -> Period:
        """Return the days as a period of the account."""
        return get_period(account, start=self.days.start, end=self.days.end)

    def query(self, **more: object) -> str:
        """Return the filters as the query of an address."""
        values = {FIRST: self.days.first or "", LAST: self.days.last or "", "type": self.entry_type, **more}
        return urlencode({name: value for name, value in values.items() if value != ""})


def statement_panel(request: HttpRequest, account: Account) -> Panel:
    """Return one page of an account's statement, newest first, with its filters and its files.

    Wrong filters show nothing but what is wrong with them.
    """
    filters = StatementFilters.of(request)
    chosen = "" if filters.type_problem else filters.entry_type
    types = [("", "all"), (MOVED, "all but those of holds"), *((one.value, one.value.replace("_", " ")) for one in EntryType)]
    fields = (*day_fields(filters.days), Filter("type", "Type", chosen, "select", types, filters.type_problem))
    ready = preset_cells()
    if filters.problem:
        return Panel("Statement", STATEMENT_HEADERS, (), "Nothing is shown: see what is wrong above.", (), fields, ready)
    text = request.GET.get("before", "")
    before = int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None
    period = filters.period(account)
    lines = period_lines(period, before=before, limit=PAGE, entry_type=filters.entry_type or None)
    links = _files(account, filters)
    if before is not None:
        links.append(Cell("Newest", f"?{filters.query()}"))
    if len(lines) == PAGE:
        links.append(Cell("Older", f"?{filters.query(before=lines[-1].sequence)}"))
    unit = period.currency
    title = f"Statement: opening {shown(period.opening_minor, unit)}, closing {shown(period.closing_minor, unit)}"
    return Panel(title, STATEMENT_HEADERS, [entry_row(line) for line in lines], "Nothing in this period.", links, fields, ready)


def day_fields(days: StatementDays) -> tuple[Filter, Filter]:
    """Return the fields of the days. Days that are out of order stay in their fields."""

    def one(name: str, label: str, day: date | None) -> Filter:
        return Filter(name, label, str(day or days.typed.get(name, "")), "date", problem=days.problems.get(name, ""))

    return one(FIRST, "From (UTC)", days.first), one(LAST, "To (UTC)", days.last)


def preset_cells(**more: object) -> list[Cell]:
    """Return the ready-made periods as links; ``more`` stands before the days in each address."""
    before = f"{urlencode(more)}&" if more else ""
    return [Cell(preset.words, f"?{before}{preset.query}") for preset in presets()]


def _files(account: Account, filters: StatementFilters) -> list[Cell]:
    """Return links to the files of what is shown. Only CSV can be of one type of entry."""
    formats = [StatementFormat.CSV] if filters.entry_type else list(StatementFormat)
    return [
        Cell(f"Export as {form.words}", f"{reverse(f'admin:account_{form.value}', args=[account.id])}?{filters.query()}")
        for form in formats
    ]
