"""Lists as files for people: CSV and XLSX, with what the list shows.

Amounts are numbers in major units with all decimals of their currency; times are UTC, as the name
of their column says. A file has ``MOST_ROWS`` rows at most. One that was cut says so in its name
and in its last line.
"""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from io import StringIO
from tempfile import TemporaryFile
from typing import IO, Any, TypeAlias

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header
from xlsxwriter import Workbook

from ledger_project.database.readers import in_reader
from ledger_project.kernel.money import Money
from transfers.statements.spreadsheets import neutralised

MOST_ROWS = 100_000
"""The most rows of a file."""

_CHUNK = 1000
"""Rows that are read at once."""

_PIECE = 1 << 16
"""Bytes of a finished file that are sent at once."""

_EXACT_MINOR = 10**15
"""Amounts below it have fifteen digits at most: a double, and so a spreadsheet, holds them exactly.
"""

_LONGEST_CELL = 32_767
"""Characters of a cell of XLSX at most."""

_IN_NO_XML = dict.fromkeys((0xFFFE, 0xFFFF), 0xFFFD)
"""Characters that no XML can have, and what stands for them. Control characters are escaped."""

Cell: TypeAlias = Money | datetime | int | str | None
"""A value of a file: an amount, a moment, a number, a text, or nothing."""


class Form(StrEnum):
    """The form of a file; its value ends the name."""

    CSV = "csv"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a file: its name, and its value of a row."""

    name: str
    value: Callable[[Any], Cell]


@dataclass(frozen=True, slots=True)
class Export:
    """What a file has: the keys of its rows in their order, and how rows are read by their keys.

    ``is_cut`` says that there are more than ``MOST_ROWS``.
    """

    name: str
    columns: Sequence[Column]
    keys: Sequence[Any]
    read: Callable[[Sequence[Any]], Iterable[Any]]
    is_cut: bool

    def file_name(self, form: Form) -> str:
        """Return the name of the file: of what, of which day, and whether it was cut."""
        cut = f"-newest-{MOST_ROWS}" if self.is_cut else ""
        return f"{self.name}-{datetime.now(UTC):%Y-%m-%d-%H%M}{cut}.{form.value}"

    @property
    def chunks(self) -> list[Sequence[Any]]:
        """The keys, as many at once as are read at once."""
        return [self.keys[start : start + _CHUNK] for start in range(0, len(self.keys), _CHUNK)]

    def rows(self, keys: Sequence[Any]) -> list[list[Cell]]:
        """Return the rows of some keys."""
        return [[column.value(row) for column in self.columns] for row in self.read(keys)]

    @property
    def last_line(self) -> str:
        """What the last line of a file that was cut says."""
        return f"Cut: the list has more than these {MOST_ROWS:,} rows. Narrow its filters for the others."


def export_response(export: Export, form: Form) -> StreamingHttpResponse:
    """Return the file as a stream. It takes the memory of a thousand rows, and of the keys."""
    response = StreamingHttpResponse(_csv_pieces(export) if form is Form.CSV else _xlsx_pieces(export), content_type=_TYPES[form])
    response["Content-Disposition"] = content_disposition_header(True, export.file_name(form)) or "attachment"
    return response


_TYPES = {
    Form.CSV: "text/csv; charset=utf-8",
    Form.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


async def _csv_pieces(export: Export) -> AsyncIterator[bytes]:
    yield _written([[column.name for column in export.columns]])
    for keys in export.chunks:
        yield await in_reader(_csv_rows, export, keys)
    if export.is_cut:
        yield _written([[export.last_line]])


def _csv_rows(export: Export, keys: Sequence[Any]) -> bytes:
    return _written([[_csv_cell(cell) for cell in row] for row in export.rows(keys)])


def _csv_cell(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case Money():
            return cell.major
        case datetime():
            return f"{cell.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        case int():
            return str(cell)
        case str():
            return neutralised(cell)


def _written(rows: Iterable[Sequence[object]]) -> bytes:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


class _Sheet:
    """A workbook that is written row by row into a file, with the memory of a row."""

    def __init__(self, file: IO[bytes], columns: Sequence[Column]) -> None:
        self._book = Workbook(file, {"constant_memory": True, "default_date_format": "yyyy-mm-dd hh:mm:ss", "remove_timezone": True})
        self._sheet = self._book.add_worksheet()
        self._amounts: dict[int, Any] = {}
        self._next = 0
        self._sheet.freeze_panes(1, 0)
        self._sheet.set_column(0, len(columns) - 1, 20)
        bold = self._book.add_format({"bold": True})
        for position, column in enumerate(columns):
            self._sheet.write_string(0, position, column.name, bold)
        self._next = 1

    def add(self, rows: Iterable[Sequence[Cell]]) -> None:
        """Write rows below those that are there."""
        for row in rows:
            for position, cell in enumerate(row):
                self._write(position, cell)
            self._next += 1

    def _write(self, position: int, cell: Cell) -> None:
        match cell:
            case None:
                return
            case Money() if abs(cell.minor) < _EXACT_MINOR:
                self._sheet.write_number(self._next, position, Decimal(cell.major), self._form_of(cell))
            case Money():
                self._sheet.write_string(self._next, position, cell.major)
            case datetime():
                self._sheet.write_datetime(self._next, position, cell.astimezone(UTC))
            case int():
                self._sheet.write_number(self._next, position, cell)
            case str():
                self._sheet.write_string(self._next, position, _plain(cell))

    def _form_of(self, amount: Money) -> Any:
        decimals = amount.currency.exponent
        if decimals not in self._amounts:
            self._amounts[decimals] = self._book.add_format({"num_format": "#,##0" + ("." + "0" * decimals if decimals else "")})
        return self._amounts[decimals]

    def close(self) -> None:
        """Finish the file."""
        self._book.close()


def _plain(text: str) -> str:
    """Return a text as a cell can have it.

    XlsxWriter takes a text that looks like its own rich text for XML, and writes it as it stands.
    """
    text = text[: _LONGEST_CELL - 1].translate(_IN_NO_XML)
    return f"{text} " if text.startswith("<r>") and text.endswith("</r>") else text


async def _xlsx_pieces(export: Export) -> AsyncIterator[bytes]:
    # A ZIP of parts whose sizes stand in its beginning: it is made whole on the disk, then sent.
    with TemporaryFile() as file:
        sheet = _Sheet(file, export.columns)
        for keys in export.chunks:
            await in_reader(_add_rows, sheet, export, keys)
        if export.is_cut:
            sheet.add([[export.last_line]])
        await in_reader(sheet.close)
        file.seek(0)
        while piece := file.read(_PIECE):
            yield piece


def _add_rows(sheet: _Sheet, export: Export, keys: Sequence[Any]) -> None:
    rows = export.rows(keys)  # read before anything is written: a lost connection has this run again
    sheet.add(rows)
