"""Files of transfers: their columns, the request of each line, and the sums of all lines.

A file is read twice: once to check it as a whole, then to post it. Both readings take one record at
a time, so a file may have any length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, NamedTuple

from msgspec import Struct

from ledger_project.http.idempotency import fingerprint, parse_key
from ledger_project.http.members import amount_members
from ledger_project.http.validation import validate
from ledger_project.kernel.actors import PLATFORM_OWNER
from ledger_project.kernel.amount_input import AmountInput
from ledger_project.kernel.bounded_cache import Remembered
from ledger_project.kernel.csv_records import Extent, FileUnreadable, Record, check_separators, read_records
from ledger_project.kernel.errors import IdempotencyKeyMissing, InvalidRequest, ValidationFailed
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import fold
from merchants.selectors import find_currency_now, known_currency, required_currency
from transfers.domain.commands import Details
from transfers.management.import_keys import FileKeys
from transfers.posting.jobs import Key
from transfers.serializers.transfers import TransferBody
from transfers.services.batches import BatchItem
from transfers.services.transfers import TransferRequest, check_addressing

REQUIRED = ("key", "from", "to", "currency", "amount")
OPTIONAL = ("memo", "external_reference")
_BODY_NAMES = {"from": "from_merchant", "to": "to_merchant"}
_PATH = "/transfers"
_KEYS_AT_ONCE = 1000

__all__ = ["OPTIONAL", "REQUIRED", "FileUnreadable", "Line", "Survey", "read_lines", "survey"]


class Line(NamedTuple):
    """A record to be posted: the number of its first line, its key as the file has it, and its
    request.
    """

    number: int
    key: str
    item: BatchItem


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


class _Columns:
    """The columns of a file: what each cell of a record is."""

    def __init__(self, names: Sequence[str]) -> None:
        self._key = names.index("key")
        self._members = [_BODY_NAMES.get(name, name) for name in names]
        self._count = len(names)

    def key_cell(self, record: Record) -> str:
        """Return the key as the file has it; nothing where the record is too short."""
        return record.cells[self._key] if self._key < len(record.cells) else ""

    def key(self, record: Record) -> str:
        """Return the key of a record.

        Raises ``InvalidRequest`` where there is none, and for another number of cells.
        """
        if len(record.cells) != self._count:
            raise ValidationFailed.of("line", "invalid", f"{len(record.cells)} cells; the header has {self._count}")
        cell = record.cells[self._key]
        if not cell:
            raise IdempotencyKeyMissing
        return parse_key(cell)

    def body(self, record: Record) -> dict[str, str]:
        """Return the members of the request that a record stands for: its cells that have a text,
        without the key.
        """
        body = {name: cell for name, cell in zip(self._members, record.cells, strict=True) if cell}
        del body["key"]
        return body


def _read(file: IO[bytes], *, multiline: bool, extent: Extent | None = None) -> tuple[_Columns, Iterator[Record]]:
    """Return the columns of a file, and the records after the header, without empty ones.

    ``csv_records`` has the rules of the file. Raises ``FileUnreadable``, the iterator too.
    """
    records = read_records(file, multiline=multiline, extent=extent)
    header = next(records, None)
    if header is None:
        raise FileUnreadable(1, f"the file is empty; a header is needed: {', '.join(REQUIRED)}")
    return _Columns(_columns(header)), (record for record in records if "".join(record.cells).strip())


def _request(values: dict[str, Any], details: Details) -> TransferRequest:
    return TransferRequest(
        AmountInput(values.get("amount")), details, values.get("from_merchant"), values.get("to_merchant"), values.get("currency")
    )


def read_lines(file: IO[bytes], keys: FileKeys, *, multiline: bool, principal: str, request_id: str) -> Iterator[Line]:
    """Yield the records of a file that ``survey`` has read, each with its request.

    It is the request of ``POST /transfers`` with these members, so that each replays the other. A
    record that is wrong in itself, or has the key of an earlier one, is yielded with its error.
    Raises ``FileUnreadable``.
    """
    columns, records = _read(file, multiline=multiline)
    for record in records:
        try:
            item = _item(record, columns, keys, principal=principal, request_id=request_id)
        except InvalidRequest as error:
            item = BatchItem(None, None, error)
        yield Line(record.line, columns.key_cell(record), item)


def _item(record: Record, columns: _Columns, keys: FileKeys, *, principal: str, request_id: str) -> BatchItem:
    key = columns.key(record)
    first = keys.first_line(record.line)
    if first is not None:
        detail = f"line {first} has this key already; in one file a key stands for one transfer"
        raise ValidationFailed.of("key", "duplicate", detail)
    body = columns.body(record)
    values = validate(TransferBody, body)
    details = Details(memo=values["memo"], external_reference=values["external_reference"], principal=principal, request_id=request_id)
    return BatchItem(_request(values, details), Key(PLATFORM_OWNER, key, fingerprint("POST", _PATH, body)))


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

    def add(self, code: str, amount_minor: int) -> None:
        """Count a record that asks for an amount."""
        self.sums_minor[code] = self.sums_minor.get(code, 0) + amount_minor
        self.counts[code] = self.counts.get(code, 0) + 1


class _Asked(Struct, frozen=True):
    """What a record with a key asks for: an amount, or None if it is wrong in itself."""

    key: str
    line: int
    amount: tuple[str, int] | None


class _Amounts:
    """The reader of the amounts of a file. It asks for each currency once."""

    def __init__(self, columns: _Columns) -> None:
        self._columns = columns
        self._currencies: Remembered[str, CurrencyUnit | None] = Remembered(1000)

    def amount(self, record: Record) -> tuple[str, int] | None:
        """Return the currency and the minor units of a record; None if its request is wrong in
        itself.
        """
        try:
            request = _request(validate(TransferBody, self._columns.body(record)), _NO_DETAILS)
            check_addressing(request)
            code = request.currency or ""
            return code, request.amount.resolve(required_currency(code, self._currency(code)))
        except InvalidRequest:
            return None

    def _currency(self, code: str) -> CurrencyUnit | None:
        if code not in self._currencies:
            self._currencies.remember({code: find_currency_now(code)})
        return self._currencies[code]


_NO_DETAILS = Details()


def survey(file: IO[bytes], keys: FileKeys, *, multiline: bool) -> Survey:
    """Read a whole file and return what it asks for; add its keys.

    Raises ``FileUnreadable``: then nothing of the file may be posted.
    """
    found, waiting = Survey(), list[_Asked]()
    columns, records = _read(file, multiline=multiline, extent=found.extent)
    amounts = _Amounts(columns)
    for record in records:
        found.records += 1
        try:
            waiting.append(_Asked(columns.key(record), record.line, amounts.amount(record)))
        except InvalidRequest:
            found.unreadable += 1
        if len(waiting) == _KEYS_AT_ONCE:
            _count(found, waiting, keys)
    _count(found, waiting, keys)
    return found


def _count(found: Survey, waiting: list[_Asked], keys: FileKeys) -> None:
    """Count the records that wait, without those that repeat a key."""
    repeats = keys.add([(asked.key, asked.line) for asked in waiting])
    for asked in waiting:
        if asked.amount is None or asked.line in repeats:
            found.unreadable += 1
        else:
            found.add(*asked.amount)
    waiting.clear()
