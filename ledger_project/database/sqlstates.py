"""The meaning of the database's errors, by one table of SQLSTATEs (PostgreSQL 18, Appendix A).

An error is psycopg's own (from the posting thread), or wrapped in Django's (from models and
cursors). Both carry the SQLSTATE, and only the SQLSTATE counts, and the name of a constraint: the
server translates the words. A state that stands in no table is a fault of ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from django.db import DatabaseError, InterfaceError
from psycopg_pool import PoolClosed, PoolTimeout


@dataclass(frozen=True, slots=True)
class Meaning:
    """The consequences of an error that is no fault of ours.

    ``drops_connection``: the connection must not be used again. ``is_passing``: the same
    transaction may succeed if it is tried again at once. ``strikes_all``: every request would fail
    like this one, so smaller parts do not help. ``words`` describe it to the caller.
    """

    words: str
    drops_connection: bool = False
    is_passing: bool = False
    strikes_all: bool = False


LOST = Meaning("The database does not answer.", drops_connection=True, is_passing=True, strikes_all=True)
"""The connection is gone, or could not be made. The end of its transaction is unknown."""

READ_ONLY = Meaning("The database takes no writes at the moment.", drops_connection=True, is_passing=True, strikes_all=True)
"""A standby, a demoted primary, or a full disk: a new connection may find the server that takes
writes."""

EXHAUSTED = Meaning("The database lacks resources at the moment.", strikes_all=True)
"""Disk, memory, connections or files are used up. A second try at once makes it worse."""

STALE = Meaning("The database was changed meanwhile.", drops_connection=True, is_passing=True)
"""A prepared statement does not fit any more: a migration changed its columns, or a pooler changed
the connection."""

CONFLICT = Meaning("The request met too many others.", is_passing=True)
"""The database rolled the transaction back in favour of another one."""

CANCELLED = Meaning("The database took too long.", is_passing=True)
"""An operator or a time limit ended the statement."""

LOCKED = Meaning("Somebody else holds a lock that is needed.")
"""A lock was not free in time. The caller decides whether to wait longer."""

CLASSES: Mapping[str, Meaning] = {
    "08": LOST,  # connection exceptions
    "40": CONFLICT,  # transaction rollback: serialization failures, deadlocks
    "53": EXHAUSTED,  # insufficient resources: disk_full, out_of_memory, too_many_connections
    "57": LOST,  # operator intervention: shutdowns, crashes, a server that starts
    "58": EXHAUSTED,  # system errors outside of PostgreSQL: io_error
}

STATES: Mapping[str, Meaning] = {
    "0A000": STALE,  # feature_not_supported: "cached plan must not change result type", and READ WRITE during recovery
    "25006": READ_ONLY,  # read_only_sql_transaction
    "25P03": LOST,  # idle_in_transaction_session_timeout
    "25P04": LOST,  # transaction_timeout
    "26000": STALE,  # invalid_sql_statement_name
    "40003": LOST,  # statement_completion_unknown
    "42P05": STALE,  # duplicate_prepared_statement
    "55P03": LOCKED,  # lock_not_available
    "57014": CANCELLED,  # query_canceled
}
"""States that differ from their class."""

FOREIGN_KEY_VIOLATION = "23503"
_INTEGRITY = "23"
"""The class of integrity constraint violations."""


def driver_error(error: BaseException) -> BaseException:
    """Return psycopg's own error, without Django's wrapper."""
    return error.__cause__ if isinstance(error, DatabaseError | InterfaceError) and error.__cause__ is not None else error


def sqlstate_of(error: BaseException) -> str | None:
    """Return the SQLSTATE of an error; None for one that the server did not send."""
    cause = driver_error(error)
    return cause.sqlstate if isinstance(cause, psycopg.Error) else None


def meaning_of(error: BaseException) -> Meaning | None:
    """Return the meaning of a database error; None for a fault of ours and for other errors."""
    state = sqlstate_of(error)
    if state is not None:
        return STATES.get(state) or CLASSES.get(state[:2])
    cause = driver_error(error)
    # An error without a state is the driver's: the connection broke, or could not be made.
    lost = psycopg.OperationalError | psycopg.InterfaceError | InterfaceError | PoolTimeout | PoolClosed
    return LOST if isinstance(cause, lost) else None


def is_passing(error: BaseException) -> bool:
    """Whether the same transaction may succeed if it is tried again at once."""
    meaning = meaning_of(error)
    return meaning is not None and meaning.is_passing


def drops_connection(error: BaseException) -> bool:
    """Whether the connection must not be used again."""
    meaning = meaning_of(error)
    return meaning is not None and meaning.drops_connection


def strikes_all(error: BaseException) -> bool:
    """Whether every other transaction would fail like this one now."""
    meaning = meaning_of(error)
    return meaning is not None and meaning.strikes_all


def names_missing_row(error: BaseException) -> bool:
    """Whether a referenced row does not exist."""
    return sqlstate_of(error) == FOREIGN_KEY_VIOLATION


def violates(error: BaseException, constraint: str) -> bool:
    """Whether the constraint of that name was violated.

    A server names it in a field of its own. One that passes on the errors of others names it in the
    message only, and with the number of a shard behind it (Citus). The words around the name are
    translated, the name is not.
    """
    cause = driver_error(error)
    if not isinstance(cause, psycopg.Error) or not (cause.sqlstate or "").startswith(_INTEGRITY):
        return False
    named = re.compile(rf"(?<![A-Za-z0-9_]){re.escape(constraint)}(_[0-9]+)?(?![A-Za-z0-9_])")
    return any(named.search(text) for text in (cause.diag.constraint_name, cause.diag.message_primary) if text)
