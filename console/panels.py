"""Panels: tables below an object on its page, made from balances, holds and entries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from django.contrib.auth.models import AnonymousUser, PermissionsMixin
from django.urls import reverse
from django.utils.text import slugify

from console.amounts import shown
from console.charts import Sparkline
from merchants.models import Account
from transfers.selectors import get_transfer_now
from transfers.selectors.entries import StoredEntry

PAGE = 50

_PAGE = re.compile(r"/admin/(\w+)/(\w+)/(new-version/)?")
"""The address of a page of the admin: app, model, and whether it is a form that adds one."""

_TIME = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d)?)?")

STATEMENT_HEADERS = ("When (UTC)", "What", "Amount", "Balance after", "Counterparty", "Memo")
"""Headers of ``entry_row``. The amounts come first: a narrow screen shows the left columns."""


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
    """A field that narrows the rows of a panel; ``kind`` is the type of the input, or "select" with
    ``options``, each a value and its words.

    ``problem`` says what is wrong with what was sent for it.
    """

    name: str
    label: str
    value: str = ""
    kind: str = "text"
    options: Sequence[tuple[str, str]] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A titled table below an object's fields; ``filters``, ready-made ones (``presets``) and a
    ``chart`` stand above it, ``links`` under it.

    ``warning`` says what is wrong with what the table shows. ``button`` carries the filters out.
    """

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    empty: str = "Nothing yet."
    links: Sequence[Cell] = field(default_factory=tuple)
    filters: Sequence[Filter] = field(default_factory=tuple)
    presets: Sequence[Cell] = field(default_factory=tuple)
    warning: str = ""
    chart: Sparkline | None = None
    button: str = "Filter"

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
