"""How a command ends: an error of the environment is one line and an exit code.

A database that does not answer, a full disk, a missing folder, a closed pipe or Ctrl-C is no fault
of ours: the command prints one line. Only a fault of ours prints a traceback. ``--traceback``
prints it in every case.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO

import django.db
import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db.migrations.exceptions import InconsistentMigrationHistory
from environs import EnvError

from ledger_project.database.embedded import EmbeddedPostgresError
from ledger_project.database.sqlstates import meaning_of, sqlstate_of
from ledger_project.kernel.configuration import ConfigurationError
from ledger_project.kernel.errors import Unavailable

FOUND = 1
"""The command has done its work and has found something wrong. Its output says what."""
IMPOSSIBLE = 2
"""The command could not do its work, or not all of it."""
INTERRUPTED = 130
"""Ctrl-C, as shells say it: 128 + SIGINT."""
NO_READER = 141
"""The reader of the output has gone, as shells say it: 128 + SIGPIPE."""

_HINTS = {
    "42P01": "Is this the ledger's database? manage.py migrate makes its tables.",
    "42703": "manage.py migrate brings its tables up to date.",
    "42501": "manage.py create_roles gives the service's role its rights; other work needs the owner of the tables.",
}


def run(arguments: Sequence[str], execute: Callable[[Sequence[str]], None]) -> int:
    """Run a command line and return the exit code."""
    _prepare_streams()
    try:
        code = _carry_out(arguments, execute)
        sys.stdout.flush()
    except BrokenPipeError:
        return _say("The reader of the output has gone; the rest of it is lost.", NO_READER, quiet=(sys.stdout,))
    except OSError as error:
        return _say(_output_refused(error), IMPOSSIBLE, quiet=(sys.stdout,))
    return code


def _output_refused(error: OSError) -> str:
    return f"Standard output: {error.strerror or error}"


def _carry_out(arguments: Sequence[str], execute: Callable[[Sequence[str]], None]) -> int:
    unreadable = [position for position, argument in enumerate(arguments) if not _is_text(argument)]
    if unreadable:
        return _say(f"Argument {unreadable[0]} is not UTF-8: {arguments[unreadable[0]]!a}", IMPOSSIBLE)
    try:
        execute(arguments)
    except SystemExit as end:
        return _say(str(end.code), FOUND) if isinstance(end.code, str) else int(end.code or 0)
    except KeyboardInterrupt:
        return _say("Interrupted.", INTERRUPTED)
    except BrokenPipeError:
        raise
    except CommandError as error:  # of an argument: the command itself says its own
        return _say(f"CommandError: {_one_line(error)}", error.returncode)
    except Exception as error:
        line = explain(error)
        if line is None or "--traceback" in arguments:
            raise
        return _say(line, IMPOSSIBLE)
    return 0


def explain(error: Exception) -> str | None:
    """Return the line for an error of the environment; None for a fault of ours."""
    if isinstance(error, django.db.Error | psycopg.Error):
        meaning = meaning_of(error)
        return f"{meaning.words if meaning else 'Database:'} {_one_line(error)} {_HINTS.get(sqlstate_of(error) or '', '')}".rstrip()
    if isinstance(error, OSError):
        return _refusal_of_system(error)
    return next((prefix + _one_line(error) for kinds, prefix in _TOLD.items() if isinstance(error, kinds)), None)


_TOLD: Mapping[tuple[type[Exception], ...], str] = {
    (ConfigurationError, EnvError, ImproperlyConfigured): "Configuration: ",
    (EmbeddedPostgresError,): "Embedded PostgreSQL: ",
    (sqlite3.Error,): "Temporary file: ",
    (Unavailable,): "",
    (InconsistentMigrationHistory,): "This database was made by earlier migrations and cannot be brought to these; "
    "make a new, empty database and migrate that (docs/operations.md, Upgrade): ",
}
"""Other errors of the environment, and how their lines begin."""


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _refusal_of_system(error: OSError) -> str:
    """Return the file and the reason. An error without a file may be one of the output."""
    if error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if _can_flush(sys.stdout):
        return _one_line(error)
    _discard(sys.stdout)
    return _output_refused(error)


def _can_flush(stream: TextIO) -> bool:
    try:
        stream.flush()
    except OSError:
        return False
    return True


def _is_text(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def _prepare_streams() -> None:
    """Open both outputs.

    Output to a closed one is dropped; characters that a terminal cannot show are escaped.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - it lives as long as the process
        reconfigure = getattr(getattr(sys, name), "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _say(line: str, code: int, *, quiet: Sequence[object] = ()) -> int:
    """Write one line to standard error and return the code. ``quiet`` streams are dropped."""
    for stream in quiet:
        _discard(stream)
    try:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    except OSError as error:
        if error.errno not in {errno.EPIPE, errno.EBADF, errno.ENOSPC, errno.EIO}:
            raise
        _discard(sys.stderr)
    return code


def _discard(stream: object) -> None:
    """Redirect a stream to nothing.

    Otherwise its buffer would fail again, with a traceback, at the end of the interpreter.
    """
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())  # type: ignore[attr-defined]  # suppressed above
        os.close(nothing)
