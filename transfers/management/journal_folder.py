"""A folder of exported parts of the journal, to which parts are only added.

A part is a file for each kind of rows, and then its manifest. The manifest gets its name last: a
part without one does not count, and the next run writes it again. So an export that is killed goes
on where its last whole part ends. The parts of a folder are one piece of the journal without gaps.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from ledger_project.http.members import timestamp
from merchants.selectors import known_currency
from transfers.management.journal_files import onto_disk, open_rows, sha256_of
from transfers.selectors.journal import EVENTS, KINDS, TRANSFERS, Kind, Row, journal_rows

FORMAT = "ledger-journal-1"
_MANIFEST = re.compile(r"manifest-(\d{6,})\.json")
_SUMS = ("transfers", "amount_minor", "fee_minor", "debit_minor", "credit_minor")

Manifest = dict[str, Any]


class FolderUnusable(Exception):
    """The export cannot go on in this folder; the message says why."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that this process alone adds to."""

    path: Path
    first: Manifest | None
    newest: Manifest | None

    def where_to_go_on(self, asked: UUID | None) -> UUID | None:
        """Return the id after which the next part begins.

        A caller that names the same cursor again goes on, too. Raises ``FolderUnusable`` for a
        cursor that would leave a gap, or that is before the folder's first part.
        """
        if self.first is None or self.newest is None:
            return asked
        start, end = _id(self.first["after"]), UUID(self.newest["last"])
        if asked is not None and (start is not None and asked < start):
            raise FolderUnusable(f"{self.path} begins after {start}: export what is before into another folder.")
        if asked is not None and asked > end:
            raise FolderUnusable(f"{self.path} ends with {end}: a part after {asked} would leave a gap.")
        return end

    @property
    def heads(self) -> dict[str, tuple[int, str]]:
        """Number and hash of the last entry of each account in the newest part."""
        heads = self.newest["heads"] if self.newest else {}
        return {account: (head["sequence"], head["hash"]) for account, head in heads.items()}


def _id(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)


@contextmanager
def opened(path: Path) -> Iterator[None]:
    """Make the folder if it is not there, and keep other exports out of it.

    Raises ``FolderUnusable`` while another one is at work there.
    """
    path.mkdir(parents=True, exist_ok=True)
    with (path / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderUnusable(f"Another export is writing to {path}.") from None
        yield


def read_folder(path: Path) -> Folder:
    """Return what is in the folder. Raises ``FolderUnusable`` if that is not what was written."""
    numbers = sorted(int(found[1]) for found in map(_MANIFEST.fullmatch, os.listdir(path)) if found)
    if not numbers:
        return Folder(path, None, None)
    if numbers != list(range(1, len(numbers) + 1)):
        raise FolderUnusable(f"{path} lacks parts: its manifests are not numbered from 1 to {len(numbers)}.")
    first, newest = _manifest(path, 1), _manifest(path, numbers[-1])
    for file in newest["files"].values():
        written = path / file["name"]
        if not written.is_file() or written.stat().st_size != file["bytes"]:
            raise FolderUnusable(f"{written} is not what its manifest says.")
    return Folder(path, first, newest)


def _manifest(path: Path, part: int) -> Manifest:
    name = path / f"manifest-{part:06}.json"
    try:
        found = json.loads(name.read_text())
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise FolderUnusable(f"{name} is not the manifest of an export of the journal.")
    return found


class _Contents:
    """Sums and newest hashes of the rows of a part."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.currencies: dict[str, dict[str, int]] = {}
        self.heads: dict[str, dict[str, object]] = {}

    def add(self, kind: Kind, rows: list[Row]) -> None:
        self.rows[kind.name] = self.rows.get(kind.name, 0) + len(rows)
        if kind is EVENTS:
            return
        for row in rows:
            named = cast("dict[str, str]", dict(zip(kind.columns, row, strict=True)))
            sums = self.currencies.setdefault(named["currency"], dict.fromkeys(_SUMS, 0))
            if kind is TRANSFERS:
                sums["transfers"] += 1
                sums["amount_minor"] += int(named["amount_minor"])
                sums["fee_minor"] += int(named["fee_minor"])
                continue
            sums["debit_minor" if named["direction"] == "DEBIT" else "credit_minor"] += int(named["amount_minor"])
            head: dict[str, object] = {"sequence": int(named["sequence"]), "hash": named["hash"]}
            self.heads[named["account_id"]] = {**head, "balance_after_minor": int(named["balance_after_minor"])}


def write_part(folder: Folder, form: str, *, after: UUID | None, last: UUID, settled_until: datetime) -> Folder:
    """Write the rows after one id, up to and with another, as the next part; return the folder."""
    part = (folder.newest["part"] if folder.newest else 0) + 1
    contents, names = _Contents(), {kind.name: f"{kind.name}-{part:06}.{form}" for kind in KINDS}
    for kind in KINDS:
        file = open_rows(kind, folder.path / f"{names[kind.name]}.part", form)
        contents.rows[kind.name] = 0
        for rows in journal_rows(kind, after, last):
            contents.add(kind, rows)
            file.write(rows)
        file.close()
    manifest: Manifest = {
        "format": FORMAT,
        "part": part,
        "after": None if after is None else str(after),
        "last": str(last),
        "settled_until": timestamp(settled_until),
        "files": {kind: _told(folder.path / f"{name}.part", name, contents.rows[kind]) for kind, name in names.items()},
        "currencies": {code: {"exponent": _exponent(code), **sums} for code, sums in sorted(contents.currencies.items())},
        "so_far": _together(folder.newest["so_far"] if folder.newest else {}, contents),
        "heads": contents.heads,
    }
    for name in names.values():
        (folder.path / f"{name}.part").replace(folder.path / name)
    _keep(folder.path, part, manifest)
    return Folder(folder.path, folder.first or manifest, manifest)


def _told(path: Path, name: str, rows: int) -> dict[str, object]:
    return {"name": name, "rows": rows, "bytes": path.stat().st_size, "sha256": sha256_of(path)}


def _exponent(code: str) -> int:
    return known_currency(code).exponent


def _together(before: Mapping[str, Any], contents: _Contents) -> dict[str, object]:
    """Return rows and sums of all parts of the folder."""
    rows = {kind: before.get("rows", {}).get(kind, 0) + count for kind, count in contents.rows.items()}
    currencies: dict[str, dict[str, int]] = {code: dict(sums) for code, sums in before.get("currencies", {}).items()}
    for code, sums in contents.currencies.items():
        known = currencies.setdefault(code, dict.fromkeys(_SUMS, 0))
        for name, value in sums.items():
            known[name] += value
    return {"rows": rows, "currencies": dict(sorted(currencies.items()))}


def _keep(path: Path, part: int, manifest: Manifest) -> None:
    """Write a manifest as a whole or not at all, after all files of its part are on the disk."""
    onto_disk(path)
    written = path / f"manifest-{part:06}.json"
    temporary = written.with_name(f"{written.name}.part")
    temporary.write_text(json.dumps(manifest, indent=1) + "\n")
    onto_disk(temporary)
    temporary.replace(written)
    onto_disk(path)
