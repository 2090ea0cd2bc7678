"""Files of the journal's rows: CSV, or Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from transfers.selectors.journal import Kind, Row

FORMATS = ("csv", "parquet")
_GROUP = 20_000
"""Rows of one group of a Parquet file. So many are kept in memory."""


class RowFile(Protocol):
    """A file that takes rows."""

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows."""

    def close(self) -> None:
        """Write all that is left; the file is on the disk then."""


class ParquetUnavailable(Exception):
    """pyarrow is not installed."""

    def __init__(self) -> None:
        super().__init__("Parquet needs the package pyarrow: .venv/bin/pip install pyarrow; --format csv needs nothing.")


def open_rows(kind: Kind, path: Path, form: str) -> RowFile:
    """Open a new file for rows of a kind. Raises ``ParquetUnavailable``."""
    return _Csv(kind, path) if form == "csv" else _Parquet(kind, path)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def onto_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Csv:
    """RFC 4180 in UTF-8: a header, then the rows. An empty cell is null."""

    def __init__(self, kind: Kind, path: Path) -> None:
        self._path = path
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(kind.columns)

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows."""
        self._writer.writerows(rows)

    def close(self) -> None:
        """Write all that is left."""
        self._file.close()
        onto_disk(self._path)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


class _Parquet:
    """Times are microseconds in UTC, amounts are decimal128(38, 0), all else is text."""

    def __init__(self, kind: Kind, path: Path) -> None:
        try:
            arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")  # optional, and slow to import
        except ImportError:
            raise ParquetUnavailable from None
        self._arrow, self._path = arrow, path
        types = {"sequence": arrow.int64(), "created_at": arrow.timestamp("us", tz="UTC")}
        amount, text = arrow.decimal128(38, 0), arrow.string()
        fields = [(name, amount if name.endswith("_minor") else types.get(name, text)) for name in kind.columns]
        self._schema = arrow.schema(fields)
        self._reads = [_reader(name) for name in kind.columns]
        self._writer = parquet.ParquetWriter(path, self._schema)
        self._rows: list[Row] = []

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows."""
        self._rows += rows
        if len(self._rows) >= _GROUP:
            self._flush()

    def _flush(self) -> None:
        columns = zip(*self._rows, strict=True) if self._rows else [()] * len(self._reads)
        arrays = [
            self._arrow.array([None if text is None else read(text) for text in column], field.type)
            for column, read, field in zip(columns, self._reads, self._schema, strict=True)
        ]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))
        self._rows = []

    def close(self) -> None:
        """Write all that is left."""
        self._flush()
        self._writer.close()
        onto_disk(self._path)


def _reader(column: str) -> Callable[[str], Any]:
    if column.endswith("_minor"):
        return Decimal
    readers: dict[str, Callable[[str], Any]] = {"sequence": int, "created_at": _moment}
    return readers.get(column, str)
