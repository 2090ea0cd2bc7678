"""Statements as CSV, streamed page by page: any length takes the memory of one page."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Iterable, Sequence
from io import StringIO

from django.http import StreamingHttpResponse

from ledger_project.database.readers import in_reader
from ledger_project.kernel.money import format_minor
from transfers.selectors.entries import StoredEntry
from transfers.selectors.statements import Period, period_lines
from transfers.serializers.statements import entry_json
from transfers.statements.spreadsheets import neutralised

PAGE_LINES = 1000

_FIELDS = (
    "id", "account_id", "transfer_id", "sequence", "direction", "type", "currency", "amount", "amount_minor",
    "balance_after", "balance_after_minor", "counterparty", "memo", "external_reference", "created_at",
)  # fmt: skip

_WRITTEN_BY_CALLERS = ("counterparty", "memo", "external_reference")


async def pages(period: Period, entry_type: str | None = None) -> AsyncIterator[list[StoredEntry]]:
    """Yield the entries of a period, newest first, in pages; each is read on demand."""
    before: int | None = None
    while True:
        lines = await in_reader(period_lines, period, before=before, limit=PAGE_LINES, entry_type=entry_type)
        if not lines:
            return
        yield lines
        before = lines[-1].sequence


def _row(line: StoredEntry, *, spreadsheet: bool) -> dict[str, object]:
    row = entry_json(line)
    if spreadsheet:
        row |= {name: neutralised(str(row[name])) for name in _WRITTEN_BY_CALLERS if row[name] is not None}
    return row


async def _csv(period: Period, entry_type: str | None, *, spreadsheet: bool) -> AsyncIterator[bytes]:
    text = StringIO()
    writer = csv.DictWriter(text, _FIELDS)
    writer.writeheader()
    yield text.getvalue().encode()
    async for lines in pages(period, entry_type):
        text.seek(0)
        text.truncate()
        writer.writerows(_row(line, spreadsheet=spreadsheet) for line in lines)
        yield text.getvalue().encode()


def csv_response(period: Period, entry_type: str | None = None, *, spreadsheet: bool = False) -> StreamingHttpResponse:
    """Return a whole period, or its entries of one type, as CSV, newest first.

    The header has the names of the JSON members. ``spreadsheet`` is for a file that people open:
    text that a spreadsheet would run as a formula is made plain text.
    """
    return StreamingHttpResponse(_csv(period, entry_type, spreadsheet=spreadsheet), content_type="text/csv; charset=utf-8")


_PEOPLES = (
    "time_utc", "what", "amount", "balance_after", "currency", "counterparty", "memo", "external_reference", "transfer_id", "sequence",
)  # fmt: skip


async def peoples_lines(period: Period, entry_type: str | None = None) -> AsyncIterator[bytes]:
    """Yield a whole period, or its entries of one type, as CSV for spreadsheets, newest first.

    The first line has the closing balance and the last one the opening balance. Amounts are in
    major units; what left the account is negative.
    """
    yield _written([_PEOPLES, _balance("closing balance", period.closing_minor, period)])
    async for lines in pages(period, entry_type or None):
        yield _written(_peoples_row(line) for line in lines)
    yield _written([_balance("opening balance", period.opening_minor, period)])


def _written(rows: Iterable[Sequence[object]]) -> bytes:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _balance(what: str, balance_minor: int, period: Period) -> tuple[object, ...]:
    return ("", what, "", format_minor(balance_minor, period.currency.exponent), period.currency.code, "", "", "", "", "")


def _peoples_row(line: StoredEntry) -> tuple[object, ...]:
    exponent = line.currency.exponent
    return (
        f"{line.created_at:%Y-%m-%d %H:%M:%S}",
        line.type.replace("_", " "),
        format_minor(line.amount_minor if line.direction == "CREDIT" else -line.amount_minor, exponent),
        format_minor(line.balance_after_minor, exponent),
        line.currency.code,
        *(neutralised(text) if text else "" for text in (line.counterparty, line.memo, line.external_reference)),
        line.transfer_id,
        line.sequence,
    )
