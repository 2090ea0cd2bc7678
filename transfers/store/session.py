"""Statements on the raw connection of Django's transaction, several to a round trip.

Inside ``transaction.atomic()`` the store speaks to psycopg directly: server-side parameters, prepared statements, and pipeline mode,
in which statements are sent without waiting for each other's results and still run one after the other, each on its own snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import psycopg
from django.db import connection
from django.db.transaction import TransactionManagementError
from psycopg.generators import send

Row = tuple[object, ...]


class Session:
    """The raw connection of the transaction that is open in this thread. Refuses to work outside of one."""

    def __init__(self) -> None:
        if not connection.in_atomic_block:
            raise TransactionManagementError("the store locks and writes inside a transaction only")
        connection.ensure_connection()
        self._connection = cast("psycopg.Connection[Row]", connection.connection)

    @contextmanager
    def round_trip(self) -> Iterator[None]:
        """Send the statements of this block together; their results are there after it."""
        with self._connection.pipeline():
            yield

    def push(self) -> None:
        """Have the database get all that was sent, so that it works on it while this thread makes the next statement ready.

        A large statement does not fit the socket's buffer, and psycopg leaves the rest to the next statement.
        """
        self._connection.wait(send(self._connection.pgconn))

    def send(self, statement: str, parameters: Sequence[object] = (), *, binary: bool = False) -> psycopg.Cursor[Row]:
        """Send a statement; inside ``round_trip`` its rows can be fetched when the block has ended.

        ``binary`` is for many rows of times and numbers: they are not parsed from text (Django's loader of times takes 6 µs each).
        """
        cursor = psycopg.Cursor(self._connection)
        cursor.execute(statement, parameters, prepare=True, binary=binary)
        return cursor
