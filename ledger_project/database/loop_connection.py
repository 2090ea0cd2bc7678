"""A connection that the event loop itself reads and writes: no thread, and no wait for one.

psycopg's asynchronous cursors cost some hundred microseconds for a look-up. Here the loop hands
prepared statements to libpq and is called when the socket has answers. Statements are sent without
waiting for each other (pipeline mode), each in a transaction of its own: an error ends only its
own. Only reads are sent, so each may be sent again.
"""

from __future__ import annotations

import asyncio
import select
from collections import deque
from collections.abc import Mapping, Sequence
from typing import cast

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, Format
from psycopg.pq.abc import PGresult

from ledger_project.database.connections import forget_own_connection, new_own_connection
from ledger_project.database.prepared import name_of, numbered, text_values

Row = tuple[object, ...]

GRACE_S = 1.0
"""Seconds beyond ``LEDGER_READ_TIMEOUT`` after which a silent server counts as lost: it ends a slow
statement by itself before."""

MOST_PREPARED = 100
"""How many statements a connection keeps prepared: a plan takes the server some 100 KiB."""


class _Sent:
    """A statement that was sent, and who waits for its rows."""

    __slots__ = ("error", "future", "is_prepared", "result", "statement")

    def __init__(self, statement: str, future: asyncio.Future[list[Row]]) -> None:
        self.statement, self.future = statement, future
        self.result: PGresult | None = None
        self.error: psycopg.Error | None = None
        self.is_prepared = True


def _connect(session: Mapping[str, str]) -> BaseDatabaseWrapper:
    own = new_own_connection()
    options = own.settings_dict["OPTIONS"]
    own.settings_dict["OPTIONS"] = {**options, "session": {**options.get("session", {}), **session}}
    own.ensure_connection()
    return own


class LoopConnection:
    """One connection of the running loop. ``open`` makes it."""

    def __init__(self, own: BaseDatabaseWrapper) -> None:
        self._own = own
        self._raw = cast("psycopg.Connection[Row]", own.connection)
        self._pg = self._raw.pgconn
        self._loop = asyncio.get_running_loop()
        self._sent: deque[_Sent] = deque()
        self._prepared: dict[str, bytes] = {}
        self._socket = self._pg.socket
        self._resets = select.poll()
        self._resets.register(self._socket, 0)  # errors are told without being asked for
        self._pg.nonblocking = 1
        self._pg.enter_pipeline_mode()
        self._loop.add_reader(self._socket, self._on_readable)
        self.is_open = True
        self._is_writing = False

    @classmethod
    async def open(cls, session: Mapping[str, str]) -> LoopConnection:
        """Connect, with the session settings of all connections and these. Raises the driver's
        errors.
        """
        return cls(await asyncio.to_thread(_connect, session))

    @property
    def is_busy(self) -> bool:
        """Whether statements were sent that have no answer yet."""
        return bool(self._sent)

    def send(self, statement: str, parameters: Sequence[object]) -> asyncio.Future[list[Row]]:
        """Send a statement with psycopg's placeholders; the future gets its rows.

        The rows come in binary form. An error of the database ends this statement only, a lost
        connection ends all that were sent.
        """
        values = text_values(parameters)
        sent = _Sent(statement, self._loop.create_future())
        self._sent.append(sent)
        try:
            name = self._prepared.get(statement)
            if name is None:
                self._make_room()
                name = self._prepared[statement] = name_of(statement)
                self._pg.send_prepare(name, numbered(statement))
            self._pg.send_query_prepared(name, values, result_format=Format.BINARY)
            self._pg.pipeline_sync()
            self._flush()
        except psycopg.Error as error:
            self._fail(error)
        return sent.future

    def _make_room(self) -> None:
        """Have the server forget all statements if there are too many: lists have one for each
        choice of filters.
        """
        if len(self._prepared) >= MOST_PREPARED:
            self._prepared.clear()
            self._pg.send_query_params(b"DEALLOCATE ALL", None)

    def close(self) -> None:
        """Close the connection. What was sent fails as for a lost one."""
        self._fail(psycopg.OperationalError("the connection was closed"))

    def _flush(self) -> None:
        is_left = bool(self._pg.flush())
        if is_left and not self._is_writing:
            self._loop.add_writer(self._socket, self._on_writable)
        elif self._is_writing and not is_left:
            self._loop.remove_writer(self._socket)
        self._is_writing = is_left

    def _on_writable(self) -> None:
        try:
            self._flush()
        except psycopg.Error as error:
            self._fail(error)

    def _on_readable(self) -> None:
        try:
            self._pg.consume_input()
            self._take_results()
            while self._resets.poll(0):
                # uvloop calls once only for a connection that was reset. What came before the reset
                # is read now, up to the error.
                self._pg.consume_input()
                self._take_results()
        except psycopg.Error as error:
            self._fail(error)

    def _take_results(self) -> None:
        was_end = False
        while self._sent and not self._pg.is_busy():
            result = self._pg.get_result()
            if result is None:  # the end of one statement's results; the next is there or still to come
                if was_end:
                    return
                was_end = True
                continue
            was_end = False
            if result.status == ExecStatus.PIPELINE_SYNC:
                self._settle(self._sent.popleft())
            else:
                self._note(self._sent[0], result)

    def _note(self, sent: _Sent, result: PGresult) -> None:
        """Keep a result until the end of its statement's results.

        Raises if the connection is lost.
        """
        match result.status:
            case ExecStatus.TUPLES_OK:
                sent.result = result
            case ExecStatus.PIPELINE_ABORTED:
                sent.is_prepared = False  # what failed came before the statement itself
            case ExecStatus.FATAL_ERROR:
                sent.error = sent.error or error_from_result(result)
                if self._pg.status == ConnStatus.BAD:
                    raise sent.error
            case _:
                pass

    def _settle(self, sent: _Sent) -> None:
        if not sent.is_prepared:
            self._prepared.pop(sent.statement, None)
        if sent.future.done():
            return
        if sent.error is not None or sent.result is None:
            sent.future.set_exception(sent.error or psycopg.InterfaceError("a statement without rows"))
            return
        transformer = Transformer(self._raw)
        transformer.set_pgresult(sent.result)
        try:
            sent.future.set_result(cast("list[Row]", transformer.load_rows(0, sent.result.ntuples, tuple)))
        except psycopg.Error as error:
            sent.future.set_exception(error)

    def _fail(self, error: psycopg.Error) -> None:
        if self.is_open:
            self.is_open = False
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._raw.close()
            forget_own_connection(self._own)
        while self._sent:
            future = self._sent.popleft().future
            if not future.done():
                future.set_exception(error)
