"""The batches of a file of transfers: the next one is read while the one before is posted.

Posting waits for the database most of the time. A thread reads ahead meanwhile, by one batch: it
takes no connection, and nothing that it reads is posted before the main thread asks for it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO, NamedTuple

from django.core.management.base import CommandError

from ledger_project.command_line.runner import IMPOSSIBLE
from transfers.management.import_files import FileUnreadable, Line

Version = tuple[int, int]


class Batch(NamedTuple):
    """Lines to post, and how much of the file has been read when they were: bytes."""

    lines: list[Line]
    end: int


def file_version(file: IO[bytes]) -> Version:
    """Return the size of the file and the time of its last change."""
    found = os.fstat(file.fileno())
    return found.st_size, found.st_mtime_ns


def stopped(line: int, cause: str, *, returncode: int = IMPOSSIBLE) -> CommandError:
    """Return the error of an import that cannot go on."""
    return CommandError(f"stopped before line {line}: {cause} Run the import again; nothing is posted twice.", returncode=returncode)


@contextmanager
def batches_ahead(lines: Iterator[Line], file: IO[bytes], *, size: int, version: Version) -> Iterator[Iterator[Batch]]:
    """Give an iterator of the batches of a file, each of ``size`` lines.

    The iterator raises ``CommandError`` if the file changed after the check: nothing that was read
    after a change is given.
    """
    with _short_turns(), ThreadPoolExecutor(1, thread_name_prefix="reading") as executor:
        yield _ahead(executor, lines, file, size, version)


@contextmanager
def _short_turns() -> Iterator[None]:
    """Let threads take turns ten times as often as usual.

    When the database has answered, the posting would wait up to 5 ms for the thread that reads, at
    each of its round trips, and the database would be idle meanwhile.
    """
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(usual_s / 10)
    try:
        yield
    finally:
        sys.setswitchinterval(usual_s)


def _ahead(executor: ThreadPoolExecutor, lines: Iterator[Line], file: IO[bytes], size: int, version: Version) -> Iterator[Batch]:
    following = executor.submit(_next_batch, lines, file, size, version)
    while (batch := following.result()).lines:
        following = executor.submit(_next_batch, lines, file, size, version)
        yield batch


def _next_batch(lines: Iterator[Line], file: IO[bytes], size: int, version: Version) -> Batch:
    """Return the next lines to post; none at the end. Raises ``CommandError``."""
    batch: list[Line] = []
    try:
        for line in lines:
            batch.append(line)
            if len(batch) == size:
                break
        if file_version(file) == version:
            return Batch(batch, file.tell())
        changed = "somebody changed the file after it was checked."
    except FileUnreadable as error:
        changed = f"somebody changed the file after it was checked ({error})."
    raise stopped(batch[0].number if batch else 1, changed)
