"""Statements on the raw connection of Django's transaction, several in one round trip.

Inside ``transaction.atomic()`` a posting uses libpq through psycopg: server-side parameters,
prepared statements, and pipeline mode. In pipeline mode statements are sent without waiting for
each other's results. They still run one after the other, each on its own snapshot.

psycopg's own pipeline talks to the socket at every statement, which cost half of a small posting.
Here statements are collected and sent together, and all answers are awaited once: 40 system calls
of a posting became 15. psycopg's loaders read the rows, and errors are psycopg's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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

from ledger_project.database.prepared import name_of, numbered, text_values

Row = tuple[object, ...]

_names: WeakKeyDictionary[psycopg.Connection[Row], dict[str, bytes]] = WeakKeyDictionary()
"""The statements that each connection has prepared. They live as long as it does, through rollbacks
too."""

_TRANSACTION_TIMEOUT_VERSION = 170_000
"""PostgreSQL 17 has ``transaction_timeout``, the only limit that ends a session inside a round
trip."""

_STATEMENT = "ledger_statement"
"""The attribute of an error that has its statement."""

# A posting needs these modes, whatever the defaults of the server, the database or the role are. A
# standby refuses them at once.
_BEGIN = b"BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE, NOT DEFERRABLE"


class Reply:
    """The rows of a statement, once its round trip has ended."""

    __slots__ = ("_connection", "result", "statement")

    def __init__(self, raw: psycopg.Connection[Row], statement: str) -> None:
        self._connection, self.statement = raw, statement
        self.result: PGresult | None = None

    def fetchall(self) -> list[Row]:
        """Return all rows. Raises ``LookupError`` before the round trip has ended."""
        if self.result is None:
            raise LookupError("the round trip of this statement has not ended")
        transformer = Transformer(self._connection)
        transformer.set_pgresult(self.result)
        return cast("list[Row]", transformer.load_rows(0, self.result.ntuples, tuple))

    def fetchone(self) -> Row | None:
        """Return the first row, or None."""
        return next(iter(self.fetchall()), None)


def _next_result(pg: PGconn) -> PQGen[PGresult]:
    """Wait for the next result, and meanwhile send the rest of the statements."""
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
    """Give each reply its result; return the first error once the last answer has arrived."""
    error: psycopg.Error | None = None
    while True:
        result = yield from _next_result(pg)
        if result.status == ExecStatus.PIPELINE_SYNC:
            return error
        if result.status == ExecStatus.FATAL_ERROR:
            error = error or _failure(result, replies[0].statement if replies else None)
            if not replies or pg.status == ConnStatus.BAD:
                raise error  # the session was ended: no further answers come
        reply = replies.popleft()
        if result.status == ExecStatus.FATAL_ERROR:
            continue
        if result.status != ExecStatus.PIPELINE_ABORTED:
            reply.result = result


def _failure(result: PGresult, statement: str | None) -> psycopg.Error:
    error = error_from_result(result)
    vars(error)[_STATEMENT] = statement
    return error


def failed_statement(error: BaseException) -> str | None:
    """Return the statement that an error of a round trip is about; None for other errors.

    Where the code of an error leaves open what went wrong (which lock was waited for, say), the
    statement tells it: the words of the server are not to be relied on.
    """
    return cast("str | None", getattr(error, _STATEMENT, None))


class Session:
    """The raw connection of the transaction that is open in this thread.

    Refuses to work outside of one.
    """

    def __init__(self) -> None:
        if not connection.in_atomic_block:
            raise TransactionManagementError("a posting locks and writes inside a transaction only")
        connection.ensure_connection()
        self._connection = cast("psycopg.Connection[Row]", connection.connection)
        self._pg: PGconn = self._connection.pgconn
        self._prepared = _names.setdefault(self._connection, {})
        self._replies: deque[Reply] = deque()
        self._in_round_trip = False
        self._preparing: list[tuple[str, Reply]] = []

    @contextmanager
    def round_trip(self) -> Iterator[None]:
        """Send the statements of this block together; their results are there after it.

        Raises the database's first error.

        Any other failure between the first statement and the last answer closes the connection,
        whose state is unknown then.
        """
        self._replies.clear()
        self._in_round_trip = True
        try:
            self._pg.enter_pipeline_mode()
            if self._pg.transaction_status == TransactionStatus.IDLE:
                self._pg.send_query_params(_BEGIN, None)
                self._expect(_BEGIN.decode())
            yield
            error = self._exchange()
            self._pg.exit_pipeline_mode()
        except BaseException:
            self._connection.close()
            raise
        finally:
            self._in_round_trip = False
        self._forget_unprepared()
        if error is not None:
            raise error

    def _exchange(self) -> psycopg.Error | None:
        self._pg.pipeline_sync()
        return self._connection.wait(_answers(self._pg, self._replies))

    def push(self) -> None:
        """Flush all statements to the database, so that it works on them while this thread makes
        the next statement ready.

        Before PostgreSQL 17 this does nothing: a host that froze between two pushes would keep its
        locks for ever. Then all statements go out together, and a frozen host leaves its session
        idle in the transaction, for which there is a limit.
        """
        if self._pg.server_version >= _TRANSACTION_TIMEOUT_VERSION:
            self._connection.wait(send(self._pg))

    def send(self, statement: str, parameters: Sequence[object] = (), *, binary: bool = False) -> Reply:
        """Send a statement, in the round trip that is open or in one of its own.

        ``binary`` is faster for many rows of times and numbers: parsing a time from text takes
        Django's loader 6 µs.
        """
        if not self._in_round_trip:
            with self.round_trip():
                return self._queue(statement, parameters, binary=binary)
        return self._queue(statement, parameters, binary=binary)

    def _queue(self, statement: str, parameters: Sequence[object], *, binary: bool) -> Reply:
        name = self._prepared.get(statement) or self._prepare(statement)
        self._pg.send_query_prepared(name, text_values(parameters), result_format=Format.BINARY if binary else Format.TEXT)
        return self._expect(statement)

    def _expect(self, statement: str) -> Reply:
        """Return the reply of the statement that was just sent."""
        reply = Reply(self._connection, statement)
        self._replies.append(reply)
        return reply

    def _prepare(self, statement: str) -> bytes:
        name = name_of(statement)
        self._pg.send_prepare(name, numbered(statement))
        self._preparing.append((statement, self._expect(statement)))
        self._prepared[statement] = name
        return name

    def _forget_unprepared(self) -> None:
        """Forget the names of statements that the database did not prepare."""
        for statement, reply in self._preparing:
            if reply.result is None:
                del self._prepared[statement]
        self._preparing.clear()
