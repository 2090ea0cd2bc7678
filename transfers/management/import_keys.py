"""The keys of a file with the line of each, on disk: they may be too many for the memory."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence


class FileKeys:
    """The keys of a file that is read twice: the first reading adds them, the second one asks which
    lines repeat the key of an earlier one.
    """

    def __init__(self) -> None:
        # SQLite makes a temporary file for an empty name, and removes it when it is closed. The
        # readings come one after the other, the second one on another thread.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA cache_size = -16384")
        self._database.execute("CREATE TABLE keys (digest BLOB PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        self._database.execute("CREATE TABLE repeats (line INTEGER PRIMARY KEY, first INTEGER)")
        self._database.execute("BEGIN")
        self._repeats: Iterator[tuple[int, int]] | None = None
        self._next: tuple[int, int] | None = None

    def close(self) -> None:
        """Remove the file."""
        self._database.close()

    def add(self, keys: Sequence[tuple[str, int]]) -> Mapping[int, int]:
        """Add keys with their lines, in the order of the file. Return the lines that repeat a key,
        each with the first line of that key.
        """
        rows = [(hashlib.sha256(key.encode()).digest()[:16], line) for key, line in keys]
        before = self._database.total_changes
        self._database.executemany("INSERT OR IGNORE INTO keys VALUES (?, ?)", rows)
        if self._database.total_changes - before == len(rows):
            return {}
        repeats = {line: first for digest, line in rows if (first := self._line_of(digest)) != line}
        self._database.executemany("INSERT INTO repeats VALUES (?, ?)", repeats.items())
        return repeats

    def _line_of(self, digest: bytes) -> int:
        (line,) = self._database.execute("SELECT line FROM keys WHERE digest = ?", [digest]).fetchone()
        return int(line)

    def first_line(self, line: int) -> int | None:
        """Return the earlier line that has the key of this one, if there is one. Ask for the lines
        in their order, and after the last ``add``.
        """
        if self._repeats is None:
            self._repeats = iter(self._database.execute("SELECT line, first FROM repeats ORDER BY line"))
            self._next = next(self._repeats, None)
        while self._next is not None and self._next[0] < line:
            self._next = next(self._repeats, None)
        return self._next[1] if self._next is not None and self._next[0] == line else None
