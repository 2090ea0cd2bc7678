"""Statements on the raw connection of Django's transaction, several to a round trip.

Inside ``transaction.atomic()`` the store speaks to libpq by way of psycopg: server-side parameters, prepared statements, and pipeline mode,
in which statements are sent without waiting for each other's results and still run one after the other, each on its own snapshot.

psycopg's own pipeline talks to the socket at every statement, which is right for a driver and cost half of a small posting. Here
statements pile up and go out together, and all answers are waited for once: 40 system calls of a posting became 15. What comes back is
read by psycopg's loaders, and errors are psycopg's.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import cast
from weakref import WeakKeyDictionary

import psycopg
from django.db import connection
from django.db.transaction import TransactionManagementError
from psycopg.abc import PQGen
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.generators import send
from psycopg.pq import ConnStatus, ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Ready, Wait

Row = tuple[object, ...]

_names: WeakKeyDictionary[psycopg.Connection[Row], dict[str, bytes]] = WeakKeyDictionary()
"""The statements that each connection has prepared. They live as long as it does, through rollbacks too."""

_TRANSACTION_TIMEOUT_VERSION = 170_000
"""PostgreSQL 17 has ``transaction_timeout``, the one limit that acts in the middle of a round trip."""

# What a posting rests on, whatever the defaults of the server, the database or the role are. On a standby this is an error at once.
_BEGIN = b"BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE, NOT DEFERRABLE"


class Reply:
    """What a statement returned; there when its round trip has ended."""

    __slots__ = ("_connection", "result")

    def __init__(self, raw: psycopg.Connection[Row]) -> None:
        self._connection = raw
        self.result: PGresult | None = None

    def fetchall(self) -> list[Row]:
        """Return its rows."""
        assert self.result is not None, "asked before the round trip has ended"  # a mistake of the caller
        transformer = Transformer(self._connection)
        transformer.set_pgresult(self.result)
        return cast("list[Row]", transformer.load_rows(0, self.result.ntuples, tuple))

    def fetchone(self) -> Row | None:
        """Return its first row."""
        return next(iter(self.fetchall()), None)


@cache
def _numbered(statement: str) -> bytes:
    """Return a statement with libpq's placeholders ($1, …) for psycopg's (%s)."""
    first, *others = statement.split("%s")
    text = first + "".join(f"${number}{part}" for number, part in enumerate(others, 1))
    assert "%" not in text, "a percent sign that is no placeholder"  # the texts are constants
    return text.encode()


@cache
def _name(statement: str) -> bytes:
    """Return what a statement is called when it is prepared: the same in every process, and another one for every other text.

    Behind a pooler, processes may meet on one connection of the database: a name that stood for something else there would be run.
    """
    return b"ledger_" + hashlib.sha256(_numbered(statement)).hexdigest()[:32].encode()


def _next_result(pg: PGconn) -> PQGen[PGresult]:
    """Wait for the next result, sending meanwhile what is left to be sent."""
    while True:
        result = None if pg.is_busy() else pg.get_result()
        if result is None and not pg.is_busy():
            result = pg.get_result()  # the one before marked the end of a statement's results
        if result is not None:
            return result
        ready = yield Wait.RW if pg.flush() else Wait.R
        if ready & Ready.R:
            pg.consume_input()


def _answers(pg: PGconn, replies: deque[Reply]) -> PQGen[psycopg.Error | None]:
    """Give the results to those who wait for them, and return the first error, when the last answer is there."""
    error: psycopg.Error | None = None
    while True:
        result = yield from _next_result(pg)
        if result.status == ExecStatus.PIPELINE_SYNC:
            return error
        if result.status == ExecStatus.FATAL_ERROR:
            error = error or error_from_result(result)
            if not replies or pg.status == ConnStatus.BAD:
                raise error  # the session was ended: nobody answers what else was sent
        reply = replies.popleft()
        if result.status == ExecStatus.FATAL_ERROR:
            continue
        if result.status != ExecStatus.PIPELINE_ABORTED:
            reply.result = result


class Session:
    """The raw connection of the transaction that is open in this thread. Refuses to work outside of one."""

    def __init__(self) -> None:
        if not connection.in_atomic_block:
            raise TransactionManagementError("the store locks and writes inside a transaction only")
        connection.ensure_connection()
        self._connection = cast("psycopg.Connection[Row]", connection.connection)
        self._pg: PGconn = self._connection.pgconn
        self._prepared = _names.setdefault(self._connection, {})
        self._replies: deque[Reply] | None = None
        self._preparing: list[tuple[str, Reply]] = []

    @contextmanager
    def round_trip(self) -> Iterator[None]:
        """Send the statements of this block together; their results are there after it. Raises the database's first error.

        Whatever else goes wrong between the first statement and the last answer ends the connection: nobody could tell what it stands at.
        """
        self._replies = deque()
        try:
            self._pg.enter_pipeline_mode()
            if self._pg.transaction_status == TransactionStatus.IDLE:
                self._pg.send_query_params(_BEGIN, None)
                self._expect()
            yield
            error = self._exchange()
            self._pg.exit_pipeline_mode()
        except BaseException:
            self._connection.close()
            raise
        finally:
            self._replies = None
        self._forget_unprepared()
        if error is not None:
            raise error

    def _exchange(self) -> psycopg.Error | None:
        assert self._replies is not None  # between the two ends of a round trip
        self._pg.pipeline_sync()
        return self._connection.wait(_answers(self._pg, self._replies))

    def push(self) -> None:
        """Have the database get all that was sent, so that it works on it while this thread makes the next statement ready.

        Where a host that froze between two pushes would keep its locks for ever, there is none: all goes out together, and then the
        session is idle in its transaction, for which there is a limit.
        """
        if self._pg.server_version >= _TRANSACTION_TIMEOUT_VERSION:
            self._connection.wait(send(self._pg))

    def send(self, statement: str, parameters: Sequence[object] = (), *, binary: bool = False) -> Reply:
        """Send a statement, in the round trip that is open or in one of its own.

        ``binary`` is for many rows of times and numbers: they are not parsed from text (Django's loader of times takes 6 µs each).
        """
        if self._replies is None:
            with self.round_trip():
                return self._queue(statement, parameters, binary=binary)
        return self._queue(statement, parameters, binary=binary)

    def _queue(self, statement: str, parameters: Sequence[object], *, binary: bool) -> Reply:
        name = self._prepared.get(statement) or self._prepare(statement)
        values = [None if value is None else str(value).encode() for value in parameters]
        self._pg.send_query_prepared(name, values, result_format=Format.BINARY if binary else Format.TEXT)
        return self._expect()

    def _expect(self) -> Reply:
        """Return the reply of the statement that was just sent."""
        assert self._replies is not None  # between the two ends of a round trip
        reply = Reply(self._connection)
        self._replies.append(reply)
        return reply

    def _prepare(self, statement: str) -> bytes:
        name = _name(statement)
        self._pg.send_prepare(name, _numbered(statement))
        self._preparing.append((statement, self._expect()))
        self._prepared[statement] = name
        return name

    def _forget_unprepared(self) -> None:
        """Forget the names of statements that the database could not prepare, or did not come to."""
        for statement, reply in self._preparing:
            if reply.result is None:
                del self._prepared[statement]
        self._preparing.clear()
