"""The history of a wallet as a page shows it: movements by day, newest first, each with what could
be spent after it.

The lines of one transfer stand beside each other in a statement, so they are one movement here: a
fee is shown with what it was paid for.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from urllib.parse import urlencode
from uuid import UUID

from django.http import QueryDict

from console.amounts import shown_number
from ledger_project.kernel.money import CurrencyUnit
from merchants.models import Account
from transfers.domain.kinds import Direction, EntryType
from transfers.selectors.entries import StoredEntry
from transfers.selectors.statements import Period, get_period, period_lines
from transfers.statements.days import FIRST, LAST, StatementDays, presets

PAGE = 30
"""Movements of a page."""

_STEP, _SEARCH_STEP = 80, 1000
"""Lines of one query, without filters and with them."""

SEARCHED = 10_000
"""Lines that one search looks at, so that it never takes long. The page offers to search on."""

LONGEST_SEARCH = 100


@dataclass(frozen=True, slots=True)
class Movement:
    """The lines of one transfer in a wallet. ``main`` is the line that says what it is."""

    lines: Sequence[StoredEntry]
    main: StoredEntry

    @property
    def is_credit(self) -> bool:
        """Whether its main line adds to the wallet."""
        return self.main.direction == Direction.CREDIT

    @property
    def change_minor(self) -> int:
        """By how much it changes what can be spent."""
        return sum(line.amount_minor if line.direction == Direction.CREDIT else -line.amount_minor for line in self.lines)

    @property
    def fee_minor(self) -> int:
        """The fee that it costs; negative for one that came back."""
        fees = {EntryType.FEE.value: 1, EntryType.FEE_REFUND.value: -1}
        return sum(fees.get(line.type, 0) * line.amount_minor for line in self.lines if line is not self.main)

    def has_words(self, needle: str) -> bool:
        """Whether a text, in lower case, is in its memo, counterparty, reference or id."""
        words = (self.main.memo, self.main.counterparty, self.main.external_reference, str(self.main.transfer_id))
        return any(needle in text.casefold() for text in words if text)


def movements_of(lines: Sequence[StoredEntry]) -> Iterator[Movement]:
    """Yield the movements of the lines of a statement."""
    for _, found in itertools.groupby(lines, key=lambda line: line.transfer_id):
        group = list(found)
        yield Movement(group, min(group, key=lambda line: _SECONDARY.get(line.type, 0)))


_SECONDARY = {EntryType.HOLD_RELEASE.value: 1, EntryType.FEE.value: 2, EntryType.FEE_REFUND.value: 2}
"""Types that another line of the same transfer explains."""

_RESERVING = frozenset({EntryType.HOLD.value, EntryType.HOLD_RELEASE.value})
_PAYING = frozenset({EntryType.TRANSFER.value, EntryType.CAPTURE.value})

_NAMED = _PAYING | _RESERVING | {EntryType.DEPOSIT.value, EntryType.OPENING.value, EntryType.WITHDRAWAL.value, EntryType.REVERSAL.value}

KINDS: Mapping[str, tuple[str, Callable[[Movement], bool]]] = {
    "received": ("Received", lambda one: one.main.type in _PAYING and one.is_credit),
    "sent": ("Sent", lambda one: one.main.type in _PAYING and not one.is_credit),
    "added": ("Added", lambda one: one.main.type in {EntryType.DEPOSIT.value, EntryType.OPENING.value}),
    "withdrawn": ("Withdrawn", lambda one: one.main.type == EntryType.WITHDRAWAL.value),
    "reserved": ("Reserved", lambda one: any(line.type in _RESERVING for line in one.lines)),
    "reversed": ("Sent back", lambda one: one.main.type == EntryType.REVERSAL.value),
    "other": ("Other", lambda one: one.main.type not in _NAMED),
}
"""The filters by kind: their words, and what they let pass."""


@dataclass(frozen=True, slots=True)
class HistoryFilters:
    """The part of a history that is shown: words, a kind, and days.

    ``kind_problem`` says what is wrong with the kind that was asked for; then there is none.
    """

    words: str = ""
    kind: str = ""
    days: StatementDays = field(default_factory=StatementDays)
    kind_problem: str = ""

    @classmethod
    def of(cls, query: QueryDict) -> HistoryFilters:
        """Read the filters from the query of an address."""
        kind = query.get("kind", "")
        words = " ".join(query.get("q", "").split())[:LONGEST_SEARCH]
        if kind and kind not in KINDS:
            return cls(words, "", StatementDays.of(query), f"No kind of movement: {kind[:40]}.")
        return cls(words, kind, StatementDays.of(query))

    @property
    def is_wrong(self) -> bool:
        """Whether nothing can be shown, since something of what was asked for is wrong."""
        return bool(self.days.problems or self.kind_problem)

    @property
    def fields(self) -> list[tuple[str, str, str, str]]:
        """The fields of the days: name, label, value, and what is wrong with it."""
        labels = ((FIRST, "From", self.days.first), (LAST, "To", self.days.last))
        return [(name, label, str(day or self.days.typed.get(name, "")), self.days.problems.get(name, "")) for name, label, day in labels]

    @property
    def presets(self) -> list[tuple[str, str, bool]]:
        """The ready-made periods: their words, their address, and whether it is the one shown."""
        chosen = (self.days.first, self.days.last)
        return [(one.words, self._query(one.first, one.last), chosen == (one.first, one.last)) for one in presets()]

    @property
    def is_narrow(self) -> bool:
        """Whether lines have to be looked at one by one."""
        return bool(self.words or self.kind)

    def period(self, account: Account) -> Period:
        """Return the days as a period of an account."""
        return get_period(account, start=self.days.start, end=self.days.end)

    def lets_pass(self, movement: Movement) -> bool:
        """Whether a movement is to be shown."""
        is_of_kind = not self.kind or KINDS[self.kind][1](movement)
        return is_of_kind and (not self.words or movement.has_words(self.words.casefold()))

    def query(self, **more: object) -> str:
        """Return the filters as the query of an address."""
        return self._query(self.days.first, self.days.last, **more)

    def _query(self, first: date | None, last: date | None, **more: object) -> str:
        values = {"q": self.words, "kind": self.kind, FIRST: first or "", LAST: last or "", **more}
        return urlencode({name: value for name, value in values.items() if value != ""})


@dataclass(frozen=True, slots=True)
class Found:
    """Movements of one page. ``before`` is the sequence from which the next page goes on, None at
    the end. ``is_cut`` says that a search stopped there before the page was full.
    """

    movements: list[Movement]
    before: int | None
    is_cut: bool


def find_movements(period: Period, filters: HistoryFilters, *, before: int | None) -> Found:
    """Return a page of the movements that pass the filters, those before a sequence.

    Every query begins at a sequence, so a page costs the same however far back it is.
    """
    step = _SEARCH_STEP if filters.is_narrow else _STEP
    shown: list[Movement] = []
    looked_at = 0
    while looked_at < SEARCHED:
        lines = period_lines(period, before=before, limit=step)
        is_end = len(lines) < step
        groups = list(movements_of(lines))
        if not is_end and len(groups) > 1:
            groups.pop()  # further lines of it may come
        for movement in groups:
            before = movement.lines[-1].sequence
            if filters.lets_pass(movement):
                if len(shown) == PAGE:
                    return Found(shown, shown[-1].lines[-1].sequence, is_cut=False)
                shown.append(movement)
        if is_end:
            return Found(shown, None, is_cut=False)
        looked_at += len(lines)
    return Found(shown, before, is_cut=True)


@dataclass(frozen=True, slots=True)
class Row:
    """A movement in words. Amounts are texts without their currency."""

    transfer_id: UUID
    at: datetime
    title: str
    memo: str
    reference: str
    amount: str
    parts: str
    after: str
    is_credit: bool


@dataclass(frozen=True, slots=True)
class Day:
    """The movements of a day. ``is_continued`` says that the page before began it."""

    day: date
    rows: list[Row]
    is_continued: bool


def days_of(movements: Sequence[Movement], unit: CurrencyUnit, *, continued: date | None = None) -> list[Day]:
    """Return movements by their day in UTC."""
    days = itertools.groupby((_row(one, unit) for one in movements), key=lambda row: row.at.astimezone(UTC).date())
    return [Day(day, list(rows), is_continued=day == continued) for day, rows in days]


def _row(movement: Movement, unit: CurrencyUnit) -> Row:
    main, fee_minor, change_minor = movement.main, movement.fee_minor, movement.change_minor
    parts = ""
    if fee_minor:
        word = "fee" if fee_minor > 0 else "fee given back"
        parts = f"{shown_number(main.amount_minor, unit)} and {word} {shown_number(abs(fee_minor), unit)}"
    return Row(
        transfer_id=main.transfer_id,
        at=main.created_at,
        title=title_of(movement),
        memo=main.memo or "",
        reference=main.external_reference or "",
        amount=signed(change_minor, unit),
        parts=parts,
        after=shown_number(movement.lines[0].balance_after_minor, unit),
        is_credit=change_minor > 0,
    )


def signed(amount_minor: int, unit: CurrencyUnit) -> str:
    """Return a change with its sign: ``+12.50``, ``−3.03``."""
    return f"{'+' if amount_minor > 0 else '−' if amount_minor < 0 else ''}{shown_number(abs(amount_minor), unit)}"


_TITLES: Mapping[tuple[str, bool], str] = {
    (EntryType.TRANSFER.value, True): "Received from {other}",
    (EntryType.TRANSFER.value, False): "Sent to {other}",
    (EntryType.CAPTURE.value, True): "Received from {other}",
    (EntryType.CAPTURE.value, False): "Paid to {other}",
    (EntryType.REVERSAL.value, True): "Came back from {other}",
    (EntryType.REVERSAL.value, False): "Sent back to {other}",
    (EntryType.HOLD.value, False): "Reserved for {other}",
    (EntryType.HOLD_RELEASE.value, True): "No longer reserved for {other}",
    (EntryType.DEPOSIT.value, True): "Added",
    (EntryType.OPENING.value, True): "Opening balance",
    (EntryType.WITHDRAWAL.value, False): "Withdrawn",
    (EntryType.FEE.value, False): "Fee",
    (EntryType.FEE_REFUND.value, True): "Fee given back",
}


def title_of(movement: Movement) -> str:
    """Return what a movement is, in a few words."""
    main = movement.main
    words = _TITLES.get((main.type, movement.is_credit)) or main.type.replace("_", " ").capitalize()
    return words.format(other=main.counterparty or "others")
