"""Records of a CSV file (RFC 4180), read strictly.

A file with two possible readings is refused, with the line and the cause. A lenient reader guesses
the end of a cell, and a wrong guess makes a payment part of a memo.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from msgspec import Struct

MAX_RECORD_BYTES = 1024 * 1024
"""Bytes of one record, as many as a request's body may have. It bounds the memory for a file with a
missing quote."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_CELL = re.compile(r'"([^"]*+(?:""[^"]*+)*+)"|([^",]*)')
"""A cell in quotes, or one without. Possessive: a doubled quote is never split."""

_FORMATS = (
    (b"PK\x03\x04", "a workbook (xlsx, ods) or another zip archive"),
    (b"\xd0\xcf\x11\xe0", "a workbook (xls)"),
    (b"\x1f\x8b", "compressed (gzip)"),
    (b"BZh", "compressed (bzip2)"),
    (b"\xfd7zXZ", "compressed (xz)"),
    (b"\x28\xb5\x2f\xfd", "compressed (zstd)"),
    (b"%PDF", "a PDF document"),
    (b"<", "HTML or XML, as some programs save a workbook"),
    (b"{", "JSON"),
    (b"[", "JSON"),
)
_WIDE = ((b"\xff\xfe\x00\x00", "UTF-32"), (b"\x00\x00\xfe\xff", "UTF-32"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))
_SEPARATORS = ((";", "semicolons"), ("\t", "tabs"), ("|", "bars"))


class FileUnreadable(Exception):
    """The file has no unambiguous reading. Nothing from ``line`` on can be trusted."""

    def __init__(self, line: int, cause: str) -> None:
        super().__init__(f"line {line}: {cause}")
        self.line, self.cause = line, cause


class Record(Struct, frozen=True):
    """The cells of a record, and its first line, counted as an editor does."""

    line: int
    cells: list[str]
    lines: int = 1


@dataclass(slots=True)
class Extent:
    """The number of lines read so far, and whether the last one has a line end."""

    lines: int = 0
    is_ended: bool = True


def read_records(file: IO[bytes], *, multiline: bool = False, extent: Extent | None = None) -> Iterator[Record]:
    """Yield the records of a file in UTF-8 from its current position.

    Raises ``FileUnreadable``.

    A byte order mark at the beginning is skipped. Lines end with LF or CRLF. ``multiline`` allows
    line breaks in quoted cells.
    """
    extent = extent if extent is not None else Extent()
    while chunk := file.readline(MAX_RECORD_BYTES + 1):
        extent.lines += 1
        first = extent.lines
        chunk = _beginning(chunk) if first == 1 else chunk
        text = _text(first, chunk, extent)
        if multiline and text.count('"') % 2:
            text = _whole_record(file, text, first, extent)
        cells = _cells(first, text.removesuffix("\n").removesuffix("\r"), multiline=multiline)
        yield Record(first, cells, extent.lines - first + 1)


def _whole_record(file: IO[bytes], text: str, first: int, extent: Extent) -> str:
    """Return a record whose last cell continues on later lines: up to its closing quote, or the end
    of the file.
    """
    parts, size, is_open = [text], len(text), True
    while is_open and (chunk := file.readline(MAX_RECORD_BYTES + 1)):
        extent.lines += 1
        part = _text(extent.lines, chunk, extent)
        parts.append(part)
        size += len(part)
        is_open = is_open != bool(part.count('"') % 2)
        if size > MAX_RECORD_BYTES:
            raise FileUnreadable(first, f"the record that begins here has over {MAX_RECORD_BYTES:,} characters; is a quote missing?")
    return "".join(parts)


def check_separators(header: Record) -> None:
    """Raise ``FileUnreadable`` for a header with other separators than commas, or after a line
    ``sep=``.
    """
    text = ",".join(header.cells)
    if text.lower().startswith("sep="):
        raise FileUnreadable(header.line, f"{text!r} is for a spreadsheet only; remove this line, and separate the cells by commas")
    for separator, name in _SEPARATORS:
        if separator in text:
            raise FileUnreadable(header.line, f"the cells are separated by {name}; commas are needed")


def _beginning(chunk: bytes) -> bytes:
    """Return the first line without its byte order mark.

    Raises ``FileUnreadable`` for another format or encoding.
    """
    for start, name in _WIDE:
        if chunk.startswith(start):
            raise FileUnreadable(1, f"the file is {name}; save it as UTF-8")
    for start, name in _FORMATS:
        if chunk.startswith(start):
            raise FileUnreadable(1, f"the file is {name}; save it as CSV in UTF-8")
    return chunk.removeprefix(_BYTE_ORDER_MARK)


def _text(number: int, chunk: bytes, extent: Extent) -> str:
    """Return a line as text, its end included. Raises ``FileUnreadable``."""
    extent.is_ended = chunk.endswith(b"\n")
    if len(chunk) > MAX_RECORD_BYTES:
        raise FileUnreadable(number, f"the line has over {MAX_RECORD_BYTES:,} bytes")
    if b"\x00" in chunk:
        raise FileUnreadable(number, "a NUL character; the file is UTF-16, UTF-32 or no text, and has to be saved as CSV in UTF-8")
    try:
        text = chunk.decode()
    except UnicodeDecodeError as error:
        found = chunk[error.start]
        raise FileUnreadable(number, f"byte 0x{found:02X} at {error.start + 1} is not UTF-8; save the file as UTF-8") from None
    if text.startswith("\ufeff"):
        raise FileUnreadable(number, "a byte order mark (U+FEFF) inside the file; were several files put together?")
    if "\r" in text and "\r" in text.removesuffix("\n").removesuffix("\r"):
        raise FileUnreadable(number, "a carriage return inside the line; lines end with LF or CRLF")
    return text


def _cells(line: int, text: str, *, multiline: bool) -> list[str]:
    if '"' not in text:
        return text.split(",")  # most records; the loop below would find the same cells
    cells: list[str] = []
    position = 0
    while True:
        match = _CELL.match(text, position)
        assert match is not None  # the second alternative matches anything, also nothing
        quoted, bare = match.groups()
        cells.append(bare if quoted is None else quoted.replace('""', '"'))
        position = match.end()
        if position == len(text):
            return cells
        if text[position] != ",":
            raise FileUnreadable(line, _misplaced(text, position, len(cells), is_quoted=quoted is not None, multiline=multiline))
        position += 1


def _misplaced(text: str, position: int, cell: int, *, is_quoted: bool, multiline: bool) -> str:
    """Return the error at the place where a cell should end."""
    if is_quoted:
        return f"cell {cell} goes on after its closing quote, with {text[position : position + 20]!r}; a quote inside a cell is doubled"
    if position and text[position - 1] != ",":
        return f"cell {cell} has a quote and does not begin with one; write the cell in quotes and double the quote inside"
    advice = "" if multiline else "; line breaks inside cells need --multiline"
    return f"the quote that opens cell {cell} is not closed{advice}"
