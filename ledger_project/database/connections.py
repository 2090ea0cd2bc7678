"""Connections of the service's own threads, and how a lost one is dropped.

The pool serves Django's full stack, where a thread lives for one request. The posting thread and
the reader threads live as long as the process, and each keeps one connection. So a read checks
nothing out of a pool, and after an outage the next attempt connects at once; the pool waits longer
after each failure.
"""

from __future__ import annotations

import threading
from typing import cast

import psycopg
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.base import DatabaseWrapper

from ledger_project.database import lost_rows as forgetting
from ledger_project.observability import metrics

ONLY_WHERE_ASKED = 1_000_000_000
"""Uses after which psycopg prepares a statement by itself: never. Django's default, None, would
ignore ``prepare=True`` too."""


class EncodingRefused(psycopg.OperationalError):
    """The database has another encoding than UTF8: it cannot keep every text."""

    def __init__(self, encoding: str) -> None:
        super().__init__(
            f"the database has the encoding {encoding}; the ledger needs UTF8: make another one with createdb -E UTF8 -T template0 NAME"
        )


_own: list[BaseDatabaseWrapper] = []
_lock = threading.Lock()


def new_own_connection() -> BaseDatabaseWrapper:
    """Return a connection outside the pool, which lives as long as its user.

    It connects at its first use.
    """
    own = connections.create_connection(DEFAULT_DB_ALIAS)
    options = {name: value for name, value in own.settings_dict["OPTIONS"].items() if name != "pool"}
    own.settings_dict = {**own.settings_dict, "OPTIONS": {"prepare_threshold": ONLY_WHERE_ASKED, **options}}
    own.inc_thread_sharing()  # so that it can be closed from the thread that ends the process
    with _lock:
        _own.append(own)
    return own


def forget_own_connection(own: BaseDatabaseWrapper) -> None:
    """Forget a connection that is closed for good."""
    with _lock:
        _own.remove(own)


def use_own_connection() -> None:
    """Give the current thread a connection of its own, outside the pool."""
    connections[DEFAULT_DB_ALIAS] = new_own_connection()


def refuse_other_encodings(connection: BaseDatabaseWrapper, **_: object) -> None:
    """Refuse a database with another encoding than UTF8.

    The server reports its encoding when it connects.
    """
    raw = cast("psycopg.Connection[object]", connection.connection)
    encoding = raw.info.parameter_status("server_encoding")
    if encoding is None:  # something between us and the server does not pass it on
        encoding = str(raw.execute("SELECT current_setting('server_encoding')").fetchone()[0])  # type: ignore[index]  # it has a row
    if encoding != "UTF8":
        connection.close()
        raise EncodingRefused(encoding)


def close_own_connections() -> None:
    """Close the connections of all threads. A thread that works on opens its own again.

    No thread may be in the middle of a statement.
    """
    with _lock:
        for own in _own:
            own.close()


def measure_pools() -> None:
    """Set the metrics of this process's connection pools."""
    # Django has no public way to look at a pool without making one.
    for pool in DatabaseWrapper._connection_pools.values():  # type: ignore[attr-defined]  # private
        stats = pool.get_stats()
        metrics.POOL_CONNECTIONS.labels("open").set(stats.get("pool_size", 0))
        metrics.POOL_CONNECTIONS.labels("idle").set(stats.get("pool_available", 0))
        metrics.POOL_CONNECTIONS.labels("awaited").set(stats.get("requests_waiting", 0))


async def serve_with_limits() -> None:
    """Set time limits on new connections: this process serves callers. Commands have no limits."""
    options = connections.settings[DEFAULT_DB_ALIAS]["OPTIONS"]
    options["session"] = {
        "statement_timeout": f"{settings.LEDGER_READ_TIMEOUT * 1000:.0f}ms",
        "lock_timeout": f"{settings.LEDGER_IDEMPOTENCY_WAIT * 1000:.0f}ms",
        "idle_in_transaction_session_timeout": f"{settings.LEDGER_IDLE_TRANSACTION_TIMEOUT * 1000:.0f}ms",
    }


def drop_connection() -> None:
    """Close this thread's connection, and forget the identities that were read over it.

    No pool hands the connection out again. The next one may be to another server, which may lack
    the last transactions.
    """
    raw = connection.connection
    if raw is not None:
        raw.close()
    connection.close()
    forgetting.forget_all()
