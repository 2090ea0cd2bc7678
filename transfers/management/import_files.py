"""Files of transfers: their columns, the request of each line, and the sums of all lines.

A file is read one record at a time, so it may have any length.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import IO

from ledger_project.http.idempotency import fingerprint, parse_key
from ledger_project.http.members import amount_members
from ledger_project.http.validation import validate
from ledger_project.kernel.actors import PLATFORM_OWNER
from ledger_project.kernel.amount_input import AmountInput
from ledger_project.kernel.csv_records import Extent, FileUnreadable, Record, check_separators, read_records
from ledger_project.kernel.errors import IdempotencyKeyInvalid, IdempotencyKeyMissing, InvalidRequest, ValidationFailed
from merchants.domain import fold
from merchants.selectors import find_currency_now, known_currency, required_currency
from transfers.domain.commands import Details
from transfers.posting.jobs import Key, Render
from transfers.serializers.transfers import TransferBody
from transfers.services.batches import BatchItem
from transfers.services.transfers import TransferRequest, check_addressing
from transfers.views.posting_calls import answer_writer
from transfers.views.transfers import posted

REQUIRED = ("key", "from", "to", "currency", "amount")
OPTIONAL = ("memo", "external_reference")
_BODY_NAMES = {"from": "from_merchant", "to": "to_merchant"}
_PATH = "/transfers"

__all__ = ["OPTIONAL", "REQUIRED", "FileUnreadable", "Line", "Survey", "line_item", "read_lines", "renderer", "survey"]


@dataclass(frozen=True, slots=True)
class Line:
    """One record of a file.

    ``number`` is that of its first line; ``error`` is what is wrong with the record in itself.
    """

    number: int
    cells: Mapping[str, str]
    error: InvalidRequest | None = None


class _Keys:
    """The keys of a file with the line of each, on disk: they may be too many for the memory."""

    def __init__(self) -> None:
        # SQLite makes a temporary file for an empty name, and removes it when it is closed.
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA cache_size = -16384")
        self._database.execute("CREATE TABLE keys (digest BLOB PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def close(self) -> None:
        """Remove the file."""
        self._database.close()

    def line_before(self, key: str, line: int) -> int | None:
        """Add a key; return the earlier line with this key, if there is one."""
        digest = hashlib.sha256(key.encode()).digest()[:16]
        if self._database.execute("INSERT OR IGNORE INTO keys VALUES (?, ?)", [digest, line]).rowcount:
            return None
        (first,) = self._database.execute("SELECT line FROM keys WHERE digest = ?", [digest]).fetchone()
        return int(first)


def _columns(header: Record) -> list[str]:
    """Return the names of the columns.

    Raises ``FileUnreadable`` for missing, unknown or repeated ones. An unknown column is not
    ignored: it may be a misspelt ``external_reference``, and the guard would be missing.
    """
    check_separators(header)
    names = [fold(cell.strip(" ")).replace(" ", "_") for cell in header.cells]
    expected = f"expected: {', '.join(REQUIRED)} and, if you like, {', '.join(OPTIONAL)}"
    missing = [name for name in REQUIRED if name not in names]
    unknown = [ascii(name)[1:-1] or "(no name)" for name in names if name not in {*REQUIRED, *OPTIONAL}]
    repeated = sorted({name for name in names if names.count(name) > 1})
    for what, found in (("missing", missing), ("unknown", unknown), ("repeated", repeated)):
        if found:
            raise FileUnreadable(header.line, f"columns {what}: {', '.join(found)}; {expected}")
    return names


def read_lines(file: IO[bytes], *, multiline: bool = False, extent: Extent | None = None) -> Iterator[Line]:
    """Yield the records after the header, without empty ones. ``csv_records`` has the rules of the
    file.

    A record that is wrong in itself, or has the key of an earlier one, is yielded with its error.
    Raises ``FileUnreadable``.
    """
    records = read_records(file, multiline=multiline, extent=extent)
    header = next(records, None)
    if header is None:
        raise FileUnreadable(1, f"the file is empty; a header is needed: {', '.join(REQUIRED)}")
    columns = _columns(header)
    with closing(_Keys()) as keys:
        for record in records:
            if any(cell.strip() for cell in record.cells):
                yield _line(record, columns, keys)


def _line(record: Record, columns: Sequence[str], keys: _Keys) -> Line:
    cells = dict(zip(columns, record.cells, strict=False))
    try:
        if len(record.cells) != len(columns):
            detail = f"{len(record.cells)} cells; the header has {len(columns)}"
            return Line(record.line, cells, ValidationFailed.of("line", "invalid", detail))
        if not cells["key"]:
            raise IdempotencyKeyMissing
        first = keys.line_before(parse_key(cells["key"]), record.line)
    except (IdempotencyKeyInvalid, IdempotencyKeyMissing) as error:
        return Line(record.line, cells, error)
    if first is not None:
        detail = f"line {first} has this key already; in one file a key stands for one transfer"
        return Line(record.line, cells, ValidationFailed.of("key", "duplicate", detail))
    return Line(record.line, cells)


def line_item(line: Line, *, principal: str, request_id: str) -> BatchItem:
    """Return the request of a line.

    It is the request of ``POST /transfers`` with these members, so that each replays the other.
    """
    if line.error is not None:
        return BatchItem(None, None, line.error)
    body = {_BODY_NAMES.get(name, name): cell for name, cell in line.cells.items() if cell and name != "key"}
    try:
        values = validate(TransferBody, body)
    except ValidationFailed as error:
        return BatchItem(None, None, error)
    key = Key(PLATFORM_OWNER, parse_key(line.cells["key"]), fingerprint("POST", _PATH, body))
    details = Details(memo=values["memo"], external_reference=values["external_reference"], principal=principal, request_id=request_id)
    request = TransferRequest(
        AmountInput(values.get("amount")), details, values.get("from_merchant"), values.get("to_merchant"), values.get("currency")
    )
    return BatchItem(request, key)


@dataclass(slots=True)
class Survey:
    """What all lines of a file ask for: minor units and records by currency."""

    records: int = 0
    unreadable: int = 0
    """Records that are wrong in themselves: without an amount, with a repeated key, …"""
    sums_minor: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    extent: Extent = field(default_factory=Extent)

    def sums(self) -> list[dict[str, object]]:
        """Return a row for each currency, for a report."""
        return [
            {"currency": code, "records": self.counts[code], **amount_members("amount", minor, known_currency(code))}
            for code, minor in sorted(self.sums_minor.items())
        ]


def survey(file: IO[bytes], *, multiline: bool) -> Survey:
    """Read a whole file and return what it asks for.

    Raises ``FileUnreadable``: then nothing of the file may be posted.
    """
    found = Survey()
    for line in read_lines(file, multiline=multiline, extent=found.extent):
        found.records += 1
        try:
            code, minor = _amount(line)
        except InvalidRequest:
            found.unreadable += 1
            continue
        found.sums_minor[code] = found.sums_minor.get(code, 0) + minor
        found.counts[code] = found.counts.get(code, 0) + 1
    return found


def _amount(line: Line) -> tuple[str, int]:
    item = line_item(line, principal="", request_id="")
    if item.request is None:
        raise item.error or InvalidRequest
    check_addressing(item.request)
    code = item.request.currency or ""
    return code, item.request.amount.resolve(required_currency(code, find_currency_now(code)))


def renderer(request_id: str) -> Render:
    """Return the writer of the answers; they have the bytes of those of ``POST /transfers``."""
    return answer_writer(request_id, 201, posted)
