"""Panels: tables below an object on its page, made from balances, holds and entries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.models import AnonymousUser, PermissionsMixin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import slugify

from console.amounts import shown
from console.charts import Sparkline
from ledger_project.kernel.days import day_of
from merchants.models import Account
from transfers.domain.kinds import EntryType
from transfers.selectors import get_transfer_now
from transfers.selectors.entries import StoredEntry
from transfers.selectors.statements import Period, get_period, period_lines

PAGE = 50

_PAGE = re.compile(r"/admin/(\w+)/(\w+)/(new-version/)?")
"""The address of a page of the admin: app, model, and whether it is a form that adds one."""

_TIME = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d)?)?")

STATEMENT_HEADERS = ("When (UTC)", "What", "Amount", "Balance after", "Counterparty", "Memo")
# The amounts come first: a narrow screen shows the left columns.


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure or word of a panel; a link if it has a ``url``."""

    text: str
    url: str | None = None
    is_number: bool = False

    @property
    def is_time(self) -> bool:
        """Whether it is a moment, which is never broken into two lines."""
        return _TIME.fullmatch(self.text) is not None


@dataclass(frozen=True, slots=True)
class Filter:
    """A field that narrows the rows of a panel.

    ``kind`` is the type of the input, "select" where an empty option stands for all, or "choice".
    """

    name: str
    label: str
    value: str = ""
    kind: str = "text"
    options: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """A titled table below an object's fields; ``filters``, ready-made ones (``presets``), what was
    wrong with them (``problem``) and a ``chart`` stand above it, ``links`` under it.

    ``warning`` says what is wrong with what the table shows.
    """

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    empty: str = "Nothing yet."
    links: Sequence[Cell] = field(default_factory=tuple)
    filters: Sequence[Filter] = field(default_factory=tuple)
    presets: Sequence[Cell] = field(default_factory=tuple)
    problem: str = ""
    warning: str = ""
    chart: Sparkline | None = None

    @property
    def heading(self) -> str:
        """The words of the title before its figures."""
        return self.title.split(":")[0]

    @property
    def anchor(self) -> str:
        """The id of the panel in its page."""
        return slugify(self.heading)

    @property
    def aligned_headers(self) -> list[tuple[str, bool]]:
        """Headers, each with whether numbers stand below it."""
        first = self.rows[0] if self.rows else ()
        numbers = [cell.is_number for cell in first] or [False] * len(self.headers)
        return list(zip(self.headers, numbers, strict=True))


def usable_panel(panel: Panel, user: PermissionsMixin | AnonymousUser) -> Panel:
    """Return a panel without the links to pages that a user may not open."""
    may: dict[str, bool] = {}

    def usable(cell: Cell) -> bool:
        found = _PAGE.match(cell.url or "")
        if found is None:
            return True
        needed = f"{found[1]}.add_{found[2]}" if found[3] else f"{found[1]}.view_{found[2]}"
        if needed not in may:
            may[needed] = user.has_perm(needed)
        return may[needed]

    rows = [[cell if usable(cell) else replace(cell, url=None) for cell in row] for row in panel.rows]
    return replace(panel, rows=rows, links=[link for link in panel.links if usable(link)])


def entry_row(line: StoredEntry) -> list[Cell]:
    """Return an entry as a row of a statement, linked to its transfer."""
    sign = "" if line.direction == "CREDIT" else "-"
    return [
        Cell(f"{line.created_at:%Y-%m-%d %H:%M:%S}"),
        Cell(line.type.replace("_", " "), reverse("admin:transfers_transfer_change", args=[line.transfer_id])),
        Cell(f"{sign}{shown(line.amount_minor, line.currency)}", is_number=True),
        Cell(shown(line.balance_after_minor, line.currency), is_number=True),
        Cell(line.counterparty or "—"),
        Cell(line.memo or ""),
    ]


@dataclass(frozen=True, slots=True)
class StatementFilters:
    """The part of a statement that is shown: days (UTC, both included) and a type of entry.

    ``problem`` says what is wrong with the days that were asked for; then there are none.
    """

    first: date | None
    last: date | None
    entry_type: str
    problem: str = ""

    @classmethod
    def of(cls, request: HttpRequest) -> StatementFilters:
        """Read the filters from the address of the page."""
        first, last = day_of(request.GET.get("from")), day_of(request.GET.get("to"))
        wanted = request.GET.get("type", "")
        entry_type = wanted if wanted in set(EntryType) else ""
        unread = [request.GET[name][:40] for name, day in (("from", first), ("to", last)) if day is None and request.GET.get(name)]
        if unread:
            return cls(None, None, entry_type, f"No day: {', '.join(unread)}. A day as in 2026-01-31 is expected.")
        if first is not None and last is not None and first > last:
            return cls(None, None, entry_type, f"The period ends on {last}, before it begins on {first}.")
        return cls(first, last, entry_type)

    def period(self, account: Account) -> Period:
        """Return the days as a period of the account."""
        return get_period(account, start=self.start, end=self.end)

    @property
    def start(self) -> datetime | None:
        """The beginning of the first day."""
        return None if self.first is None else _midnight(self.first)

    @property
    def end(self) -> datetime | None:
        """The end of the last day."""
        return None if self.last is None else _midnight(self.last + timedelta(days=1))

    def days(self, opened_at: datetime) -> tuple[date, date]:
        """Return the first and the last day; without filters, from the opening to today."""
        return self.first or opened_at.astimezone(UTC).date(), self.last or datetime.now(UTC).date()

    def file_name(self, account: Account, ending: str) -> str:
        """Return the name of a file of the statement: whose, of what, and of which days."""
        first, last = self.days(account.created_at)
        of_type = f"-{self.entry_type}" if self.entry_type else ""
        return f"statement-{account.merchant.name}-{account.currency_id}-{account.kind}{of_type}-{first}-to-{last}.{ending}"

    def query(self, **more: object) -> str:
        """Return the filters as the query of an address."""
        values = {"from": self.first or "", "to": self.last or "", "type": self.entry_type, **more}
        return urlencode({name: value for name, value in values.items() if value != ""})


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def statement_panel(request: HttpRequest, account: Account) -> Panel:
    """Return one page of an account's statement, newest first, with its filters and its export."""
    filters = StatementFilters.of(request)
    text = request.GET.get("before", "")
    before = int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None
    period = filters.period(account)
    lines = period_lines(period, before=before, limit=PAGE, entry_type=filters.entry_type or None)
    export = reverse("admin:account_export", args=[account.id])
    links = [Cell("Export as CSV", f"{export}?{filters.query()}")]
    if not filters.entry_type:  # the other forms hold a statement as a whole
        links += [
            Cell(f"Export as {words}", f"{reverse(f'admin:account_{form}', args=[account.id])}?{filters.query()}")
            for words, form in (("PDF", "pdf"), ("camt.053", "camt053"))
        ]
    if before is not None:
        links.append(Cell("Newest", f"?{filters.query()}"))
    if len(lines) == PAGE:
        links.append(Cell("Older", f"?{filters.query(before=lines[-1].sequence)}"))
    unit = period.currency
    title = f"Statement: opening {shown(period.opening_minor, unit)}, closing {shown(period.closing_minor, unit)}"
    fields = (
        Filter("from", "From", str(filters.first or ""), "date"),
        Filter("to", "To", str(filters.last or ""), "date"),
        Filter("type", "Type", filters.entry_type, "select", ("", *(t.value for t in EntryType))),
    )
    return Panel(
        title, STATEMENT_HEADERS, [entry_row(line) for line in lines], "Nothing in this period.", links, fields, presets(), filters.problem
    )


def presets() -> list[Cell]:
    """Return ready-made periods of a statement, each with the query of its days."""
    today = datetime.now(UTC).date()
    this_month = today.replace(day=1)
    last_month = this_month - timedelta(days=1)
    periods = (
        ("Last month", last_month.replace(day=1), last_month),
        ("This month", this_month, today),
        ("Last 7 days", today - timedelta(days=6), today),
    )
    return [Cell(words, f"?{urlencode({'from': first, 'to': last})}") for words, first, last in periods]


def entries_panel(transfer_id: UUID) -> Panel:
    """Return all entries of a transfer, each with the account that it is in."""
    found = get_transfer_now(transfer_id)
    entries = found[1] if found else []
    accounts = Account.objects.select_related("merchant").in_bulk({entry.account_id for entry in entries})
    rows = [
        [
            Cell(
                f"{accounts[entry.account_id].merchant.name} {entry.account_kind}",
                reverse("admin:merchants_account_change", args=[entry.account_id]),
            ),
            Cell(entry.direction),
            Cell(shown(entry.amount_minor, entry.currency), is_number=True),
            Cell(shown(entry.balance_after_minor, entry.currency), is_number=True),
            Cell(entry.type.replace("_", " ")),
            Cell(str(entry.sequence), is_number=True),
        ]
        for entry in entries
    ]
    return Panel("Entries", ("Account", "Direction", "Amount", "Balance after", "Type", "Sequence"), rows)
