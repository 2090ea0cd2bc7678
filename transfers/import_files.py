"""Files of transfers: which columns they have, and what each line asks for. Reads a line at a time; the file may be of any length."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from ledger_project.http.idempotency import fingerprint, parse_key
from ledger_project.http.problems import problem
from ledger_project.http.validation import validate
from ledger_project.kernel.access import PLATFORM_OWNER
from ledger_project.kernel.amounts import AmountInput
from ledger_project.kernel.errors import IdempotencyKeyInvalid, IdempotencyKeyMissing, ValidationFailed
from ledger_project.kernel.json import dumps
from transfers.domain.commands import Details
from transfers.domain.outcome import Outcome
from transfers.jobs import Answer, Key, Render
from transfers.representations import posted_transfer_json
from transfers.serializers import TransferBody
from transfers.services.batches import BatchItem
from transfers.services.requests import TransferRequest

REQUIRED = ("key", "from", "to", "currency", "amount")
OPTIONAL = ("memo", "external_reference")
_BODY_NAMES = {"from": "from_merchant", "to": "to_merchant"}
_PATH = "/transfers"

__all__ = ["OPTIONAL", "REQUIRED", "HeaderError", "Line", "line_item", "read_lines", "renderer"]


class HeaderError(Exception):
    """The first line does not name the columns that are needed."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its number in the file, its cells by column, or what is wrong with its form."""

    number: int
    cells: Mapping[str, str]
    problem: str | None = None


def _columns(header: Sequence[str]) -> list[str]:
    """Return the columns' names. Raises ``HeaderError`` for missing, unknown or repeated ones.

    An unknown column is refused, not ignored: a misspelt external_reference would be a guard that silently is not there.
    """
    names = [cell.strip().lower().replace(" ", "_") for cell in header]
    expected = f"expected: {', '.join(REQUIRED)} and, if you like, {', '.join(OPTIONAL)}"
    missing = [name for name in REQUIRED if name not in names]
    unknown = [name or "(no name)" for name in names if name not in {*REQUIRED, *OPTIONAL}]
    repeated = sorted({name for name in names if names.count(name) > 1})
    for what, found in (("missing", missing), ("unknown", unknown), ("repeated", repeated)):
        if found:
            raise HeaderError(f"columns {what}: {', '.join(found)}; {expected}")
    return names


def read_lines(file: IO[bytes]) -> Iterator[Line]:
    """Yield the lines after the header; empty ones are passed over. UTF-8, with or without a byte order mark.

    Raises ``HeaderError``. A line that is wrong in itself is yielded with its problem.
    """
    # What is no UTF-8 is kept as lone surrogates, so that its line fails alone.
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        yield from _read(csv.reader(text))
    finally:
        text.detach()  # the file is the caller's to close


def _read(reader: Any) -> Iterator[Line]:
    try:
        columns = _columns(next(reader, []))
    except csv.Error as error:
        raise HeaderError(str(error)) from None
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            yield Line(reader.line_num, {}, f"no line of CSV: {error}")
            continue
        if row is None:
            return
        if any(cell.strip() for cell in row):
            yield _line(reader.line_num, columns, row)


def _line(number: int, columns: Sequence[str], row: Sequence[str]) -> Line:
    cells = dict(zip(columns, row, strict=False))
    if len(row) != len(columns):
        return Line(number, cells, f"{len(row)} fields; the header has {len(columns)}")
    if not all(cell.isascii() or _is_text(cell) for cell in row):
        return Line(number, {}, "not UTF-8")
    return Line(number, cells)


def _is_text(cell: str) -> bool:
    try:
        cell.encode()
    except UnicodeEncodeError:
        return False
    return True


def line_item(line: Line, *, principal: str, request_id: str) -> BatchItem:
    """Return what a line asks for: the very request that ``POST /transfers`` with these members would be, so that keys replay across."""
    try:
        if line.problem is not None:
            raise ValidationFailed.of("line", "invalid", line.problem)
        if not line.cells["key"]:
            raise IdempotencyKeyMissing
        body = {_BODY_NAMES.get(name, name): cell for name, cell in line.cells.items() if cell and name != "key"}
        values = validate(TransferBody, body)
        key = Key(PLATFORM_OWNER, parse_key(line.cells["key"]), fingerprint("POST", _PATH, body))
    except (ValidationFailed, IdempotencyKeyInvalid, IdempotencyKeyMissing) as error:
        return BatchItem(None, None, error)
    details = Details(memo=values["memo"], external_reference=values["external_reference"], principal=principal, request_id=request_id)
    request = TransferRequest(
        AmountInput(values.get("amount")), details, values.get("from_merchant"), values.get("to_merchant"), values.get("currency")
    )
    return BatchItem(request, key)


def renderer(request_id: str) -> Render:
    """Return what writes the answers that are stored under the keys: those of ``POST /transfers``, byte for byte."""

    def render(outcome: Outcome) -> Answer:
        if outcome.refusal is not None:
            return Answer(*problem(outcome.refusal, request_id=request_id))
        assert outcome.transfer is not None  # noqa: S101 - it was not refused  # nosec B101
        return Answer(201, dumps(posted_transfer_json(outcome.transfer)))

    return render
