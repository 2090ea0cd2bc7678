"""Connections of the service's own long-lived threads, and what is done when one is lost.

The pool serves Django's full stack, where a thread lives for one request. The posting thread and the reader threads live as long as
the process, so each keeps one connection to itself: nothing to check out and in again for every read, and after an outage the next
attempt connects at once, while the pool makes new attempts only after pauses that double from a second on.
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
"""Repetitions after which psycopg prepares a statement by itself. Django's default, none at all, would make it ignore ``prepare=True``
too."""


class EncodingRefused(psycopg.OperationalError):
    """The database has another encoding than UTF8, so it cannot keep every text, or keeps bytes that are none."""

    def __init__(self, encoding: str) -> None:
        super().__init__(
            f"the database has the encoding {encoding}; the ledger needs UTF8: make another one with createdb -E UTF8 -T template0 NAME"
        )


_own: list[BaseDatabaseWrapper] = []
_lock = threading.Lock()


def use_own_connection() -> None:
    """Give the current thread a connection of its own, outside the pool, made when it is first used."""
    own = connections.create_connection(DEFAULT_DB_ALIAS)
    options = {name: value for name, value in own.settings_dict["OPTIONS"].items() if name != "pool"}
    own.settings_dict = {**own.settings_dict, "OPTIONS": {"prepare_threshold": ONLY_WHERE_ASKED, **options}}
    own.inc_thread_sharing()  # so that it can be closed from the thread that ends the process
    connections[DEFAULT_DB_ALIAS] = own
    with _lock:
        _own.append(own)


def refuse_other_encodings(connection: BaseDatabaseWrapper, **_: object) -> None:
    """Refuse a connection to a database whose encoding is not UTF8. The server has told it by itself, so asking costs nothing."""
    raw = cast("psycopg.Connection[object]", connection.connection)
    encoding = raw.info.parameter_status("server_encoding")
    if encoding is None:  # something between us and the server does not pass it on
        encoding = str(raw.execute("SELECT current_setting('server_encoding')").fetchone()[0])  # type: ignore[index]  # it has a row
    if encoding != "UTF8":
        connection.close()
        raise EncodingRefused(encoding)


def close_own_connections() -> None:
    """Close all of them; a thread that works on opens its own again. To be called when no thread is in the middle of something."""
    with _lock:
        for own in _own:
            own.close()


def measure_pools() -> None:
    """Tell the metrics how the admin's pools of this process are used."""
    # Django offers no way to look at a pool that would not make one.
    for pool in DatabaseWrapper._connection_pools.values():  # type: ignore[attr-defined]  # private
        stats = pool.get_stats()
        metrics.POOL_CONNECTIONS.labels("open").set(stats.get("pool_size", 0))
        metrics.POOL_CONNECTIONS.labels("idle").set(stats.get("pool_available", 0))
        metrics.POOL_CONNECTIONS.labels("awaited").set(stats.get("requests_waiting", 0))


async def serve_with_limits() -> None:
    """Have the connections that are made from now on wait and hold for a bounded time only: this process serves callers.

    Commands have no limits of their own: a migration or a reconciliation takes as long as it takes.
    """
    options = connections.settings[DEFAULT_DB_ALIAS]["OPTIONS"]
    options["session"] = {
        "statement_timeout": f"{settings.LEDGER_READ_TIMEOUT * 1000:.0f}ms",
        "lock_timeout": f"{settings.LEDGER_IDEMPOTENCY_WAIT * 1000:.0f}ms",
        "idle_in_transaction_session_timeout": f"{settings.LEDGER_IDLE_TRANSACTION_TIMEOUT * 1000:.0f}ms",
    }


def drop_connection() -> None:
    """Close this thread's connection for good, so that no pool hands it out again, and forget what was read over it.

    The next one may be to another server, one to which the last transactions never came.
    """
    raw = connection.connection
    if raw is not None:
        raw.close()
    connection.close()
    forgetting.forget_all()
