"""A statement as PDF, for people: at most ``MOST_LINES`` lines, newest first.

Longer periods are for programs: CSV and camt.053 are streamed, and have no limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from ledger_project.documents.pdf import Column, Pages
from ledger_project.http.members import timestamp
from ledger_project.kernel.money import format_minor
from transfers.domain.kinds import EntryType
from transfers.selectors.entries import StoredEntry
from transfers.selectors.statements import Period, period_lines
from transfers.statements.camt053 import BOOKING_TEXTS, NotRepresentable

MOST_LINES = 1000
"""A thousand lines take about half a second to write, on a thread beside the event loop."""

_LONGEST_TEXT = 120
_COLUMNS = (
    Column("Time (UTC)", 92),
    Column("What", 215),
    Column("Amount", 96, is_number=True),
    Column("Balance", 96, is_number=True),
)


def check_length(period: Period) -> None:
    """Raise ``NotRepresentable`` if a period has too many lines. Sequences have no gaps."""
    lines = period.until - period.after
    if lines > MOST_LINES:
        raise NotRepresentable(f"{MOST_LINES} lines at most, and this period has {lines}", form="PDF")


def statement_pdf(period: Period, *, start: datetime | None, end: datetime | None) -> bytes:
    """Return a whole period as PDF. Synchronous.

    Raises ``NotRepresentable`` for one that is too long. Without bounds it is from the account's
    opening to now.
    """
    check_length(period)
    pages = Pages(title=f"Statement {period.account_id}", author=period.merchant_name)
    pages.title("Statement")
    pages.pair("Merchant", period.merchant_name, is_bold=True)
    pages.pair("Account", str(period.account_id))
    pages.pair("Period", f"{_minute(start or period.opened_at)} to {_minute(end or period.read_at)} (UTC)")
    pages.pair("Opening balance", _money(period.opening_minor, period))
    pages.pair("Closing balance", _money(period.closing_minor, period), is_bold=True)
    pages.skip(10)
    pages.table(_COLUMNS, [_row(line) for line in _lines(period)])
    return pages.finished()


def _lines(period: Period) -> Iterator[StoredEntry]:
    before: int | None = None
    while lines := period_lines(period, before=before, limit=MOST_LINES):
        yield from lines
        before = lines[-1].sequence


def _minute(moment: datetime) -> str:
    return timestamp(moment)[:16].replace("T", " ")


def _money(amount_minor: int, period: Period) -> str:
    return f"{format_minor(amount_minor, period.currency.exponent)} {period.currency.code}"


def _row(line: StoredEntry) -> tuple[str, str, str, str]:
    sign = "" if line.direction == "CREDIT" else "\u2212"
    what = BOOKING_TEXTS[EntryType(line.type)].format(transfer=line.transfer_id)
    words = [what, *(text for text in (line.counterparty, line.memo, line.external_reference) if text)]
    exponent = line.currency.exponent
    return (
        timestamp(line.created_at)[:19].replace("T", " "),
        " · ".join(_shortened(text) for text in words),
        sign + format_minor(line.amount_minor, exponent),
        format_minor(line.balance_after_minor, exponent),
    )


def _shortened(text: str) -> str:
    """Return a text on one line, with a mark where something is left out."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_TEXT else f"{line[: _LONGEST_TEXT - 1]}…"
