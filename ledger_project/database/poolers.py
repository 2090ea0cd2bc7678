"""Which poolers the service works behind: none, or one that gives a session a connection of its own (PgBouncer's session mode).

In transaction mode, consecutive transactions of one session meet different connections of the database: prepared statements are not
there, or are somebody else's, and settings are lost or leak to others. The service refuses that when it starts, with the cause, rather
than fail some requests later.
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
    """The service must not start; the message says why, and what would be right."""


class _Found:
    """What was found out about the way to the database."""

    sessions_are_kept = False


def _forget() -> None:
    _Found.sessions_are_kept = False


on_forgetting(_forget)


def refused_pooler() -> str | None:
    """Return why the service cannot work behind what is between it and the database; None if it can. Remembers that it can."""
    if _Found.sessions_are_kept:
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (behind,) = cursor.fetchone()
    # PostgreSQL tells a client the number of its server process when it connects; a pooler tells one of its own making.
    if behind != connection.connection.info.backend_pid and _changes_connections():
        return REFUSAL
    _Found.sessions_are_kept = True
    return None


def _changes_connections() -> bool:
    """Whether one session meets different connections of the database, or two sessions meet one."""
    parameters: dict[str, Any] = {**connection.get_connection_params(), "autocommit": True}
    with psycopg.connect(**parameters) as first, psycopg.connect(**parameters) as second:
        own = _server_process(first)
        for _ in range(_TRIES):
            # The second keeps the connection that it gets while the first asks again: either it got the first one's, or the first one
            # has its own for itself.
            with second.transaction():
                if _server_process(second) == own or _server_process(first) != own:
                    return True
    return False


def _server_process(session: psycopg.Connection[Any]) -> int:
    row = session.execute("SELECT pg_backend_pid()").fetchone()
    return int(row[0])  # type: ignore[index]  # a SELECT without FROM has a row
