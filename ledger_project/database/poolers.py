"""Poolers that the service accepts: none, or one that gives each session its own connection.

This is PgBouncer's session mode. In transaction mode the transactions of one session run on
different connections of the database: prepared statements are missing or belong to another session,
and settings are lost. The service refuses to start behind such a pooler, rather than fail some
requests later.
"""

from __future__ import annotations

from typing import Any

import psycopg
from django.db import connection

from ledger_project.database.lost_rows import on_forgetting

REFUSAL = (
    "A connection pooler in transaction mode stands in front of the database: statements are prepared on one connection and run on "
    "another. Use its session mode (PgBouncer: pool_mode = session), or connect to PostgreSQL directly."
)

_TRIES = 3


class StartRefused(Exception):
    """The service must not start. The message says why, and what would be right."""


class _Found:
    """The result of the check, for this process."""

    sessions_are_kept = False


def _forget() -> None:
    _Found.sessions_are_kept = False


on_forgetting(_forget)


def refused_pooler() -> str | None:
    """Return why the service cannot work behind its pooler; None if it can.

    A good result is remembered.
    """
    if _Found.sessions_are_kept:
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (behind,) = cursor.fetchone()
    # PostgreSQL sends a client the number of its server process; a pooler sends a number of its
    # own.
    if behind != connection.connection.info.backend_pid and _changes_connections():
        return REFUSAL
    _Found.sessions_are_kept = True
    return None


def _changes_connections() -> bool:
    """Whether one session runs on several connections, or two sessions run on one."""
    parameters: dict[str, Any] = {**connection.get_connection_params(), "autocommit": True}
    with psycopg.connect(**parameters) as first, psycopg.connect(**parameters) as second:
        own = _server_process(first)
        for _ in range(_TRIES):
            # The second session holds a connection while the first asks again. Either it holds the
            # first one's, or the first one has its own.
            with second.transaction():
                if _server_process(second) == own or _server_process(first) != own:
                    return True
    return False


def _server_process(session: psycopg.Connection[Any]) -> int:
    row = session.execute("SELECT pg_backend_pid()").fetchone()
    return int(row[0])  # type: ignore[index]  # a SELECT without FROM has a row
