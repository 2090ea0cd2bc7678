"""The files in which the processes of a service share their figures, safe on a full disk.

prometheus-client maps a sparse file for each process and kind of metric into memory. On a full disk
the first count ends the process with SIGBUS, and the next process too; and files of ended processes
stay for ever. Here the space of a file is allocated first. If there is none, the process counts for
itself only, and logs that once.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import Metric, values
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

log = structlog.get_logger(__name__)

FILE_BYTES = 1 << 16
"""Bytes of a new file. It doubles when it is full."""


class AllocatedFile(MmapedDict):
    """A file of values whose space is allocated before it is mapped.

    Values without space stay in this process.

    The file is locked as long as its process lives, so that others see that it lives.
    """

    def __init__(self, filename: str) -> None:
        self._unshared: dict[str, tuple[float, float]] = {}
        try:
            self._open(filename)
        except OSError as error:
            self._f: Any = None
            self._positions: dict[str, int] = {}
            self._used = self._capacity = 0
            _tell(filename, error)

    def _open(self, filename: str) -> None:
        with Path(filename).open("ab") as file:
            _allocate(file.fileno(), max(FILE_BYTES, os.fstat(file.fileno()).st_size))
        super().__init__(filename)
        fcntl.flock(self._f, fcntl.LOCK_SH)

    def _init_value(self, key: str) -> None:
        if self._f is not None:
            try:
                # A value takes less than twice its key and 32 bytes.
                if self._used + 2 * len(key.encode()) + 32 > self._capacity:
                    _allocate(self._f.fileno(), 2 * self._capacity)
                super()._init_value(key)
            except OSError as error:
                _tell(self._fname, error)
            else:
                return
        self._unshared[key] = 0.0, 0.0

    def read_value(self, key: str) -> tuple[float, float]:
        """Return a value and its time."""
        if key not in self._positions and key not in self._unshared:
            self._init_value(key)
        if key in self._unshared:
            return self._unshared[key]
        found: tuple[float, float] = super().read_value(key)
        return found

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        """Keep a value and its time."""
        if key not in self._positions and key not in self._unshared:
            self._init_value(key)
        if key in self._unshared:
            self._unshared[key] = value, timestamp
        else:
            super().write_value(key, value, timestamp)


class _OwnFile(AllocatedFile):
    """A file of this process. No other process merges it before it is locked."""

    def _open(self, filename: str) -> None:
        with _locked(Path(filename).parent):
            super()._open(filename)


_told: set[int | None] = set()


def _tell(filename: str, error: OSError) -> None:
    if error.errno not in _told:
        _told.add(error.errno)
        log.warning("metrics.not_shared", file=Path(filename).name, error=str(error), meaning="this process counts for itself only")


def _allocate(descriptor: int, size: int) -> None:
    """Allocate a file's first ``size`` bytes. Raises ``OSError`` on a full disk."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        end = os.fstat(descriptor).st_size
        os.pwrite(descriptor, bytes(max(0, size - end)), end)


def prepare(folder: Path) -> None:
    """Prepare the folder for this process's metrics, before any metric is made."""
    values.MmapedDict = _OwnFile  # type: ignore[attr-defined, assignment]  # prometheus-client has no other door for that
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            gather_the_dead(folder)
    except OSError as error:
        _tell(str(folder), error)


class Collector(MultiProcessCollector):
    """Adds up all complete files."""

    def __init__(self, folder: Path) -> None:
        super().__init__(None, str(folder))
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """Return the figures of all processes, ended ones included."""
        with _locked(self._folder):
            gather_the_dead(self._folder)
            files = [str(path) for path in self._folder.glob("*.db") if _read(path) is not None]
            merged: Iterable[Metric] = self.merge(files)
            return merged


def gather_the_dead(folder: Path) -> None:
    """Merge the files of ended processes into one for each kind.

    Gauges of ended processes are dropped.
    """
    for path in sorted(folder.glob("*_*.db")):
        kind, _, number = path.stem.rpartition("_")
        if not number.isdecimal() or _is_used(path):
            continue
        if not kind.startswith("gauge"):
            found = _read(path)
            if found is not None and not _add(found, folder / f"{kind}_ended.db"):
                return  # no room: they stay, and are counted from where they are
        path.unlink(missing_ok=True)


def _add(found: dict[str, float], target: Path) -> bool:
    """Add values to a file; return whether all of them are in it.

    The file is replaced as a whole.
    """
    total = dict(_read(target) or {}) if target.exists() else {}
    for key, value in found.items():
        total[key] = total.get(key, 0.0) + value
    draft = target.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    file = AllocatedFile(str(draft))
    for key, value in total.items():
        file.write_value(key, value, 0.0)
    complete = not file._unshared
    file.close()
    if complete:
        draft.replace(target)
    else:
        draft.unlink(missing_ok=True)
    return complete


def _read(path: Path) -> dict[str, float] | None:
    """Return the values of a file; None for an incomplete one."""
    try:
        return {key: value for key, value, _, _ in MmapedDict.read_all_values_from_file(str(path))}
    except (FileNotFoundError, struct.error, RuntimeError, UnicodeDecodeError):
        return None


def _is_used(path: Path) -> bool:
    """Whether the file's process lives.

    A process id is not enough: another process may have it now.
    """
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time read all files or merge some: no figure counts twice, or not at
    all.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
