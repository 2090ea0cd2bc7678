"""One moment of the database, read over several connections at once.

The first connection exports its snapshot and the others take it, so all of them see the same rows,
whatever is committed meanwhile. Their transactions are READ ONLY: they take no lock that a writer
waits for.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast

import psycopg

from ledger_project.database.connections import forget_own_connection, new_own_connection

Raw = psycopg.Connection[Any]
T = TypeVar("T")

_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_SETTINGS = (
    "SET LOCAL statement_timeout = 0",
    # A connection may wait for work while another one still reads.
    "SET LOCAL idle_in_transaction_session_timeout = 0",
    # Rows that are read in pages are read to the end: the plan for the first rows is the wrong one.
    "SET LOCAL cursor_tuple_fraction = 1",
)
_LOOK_EVERY_S = 0.2
_numbers = itertools.count()


class Snapshot:
    """Connections that see the database at one moment."""

    def __init__(self, readers: Sequence[Raw]) -> None:
        self._readers = readers

    @property
    def first(self) -> Raw:
        """The connection for work that is not divided. No task may run meanwhile."""
        return self._readers[0]

    @property
    def jobs(self) -> int:
        """How many tasks can run at once."""
        return len(self._readers)

    def run(self, tasks: Sequence[Callable[[Raw], T]]) -> list[T]:
        """Run each task once, as many at once as there are connections.

        Returns the results in the order of the tasks. They begin in that order too, so the longest
        come first. The first task that raises ends all: statements under way are cancelled, no
        further task begins, and its exception is raised.
        """
        if self.jobs == 1:
            return [task(self.first) for task in tasks]
        return _Run(tasks, self._readers).results()


class _Run(Generic[T]):
    """Tasks that several threads take one after the other, each thread with its connection."""

    def __init__(self, tasks: Sequence[Callable[[Raw], T]], readers: Sequence[Raw]) -> None:
        self._tasks = tasks
        self._readers = readers
        self._next = iter(range(len(tasks)))
        self._results: dict[int, T] = {}
        self._failure: BaseException | None = None
        self._lock = threading.Lock()

    def results(self) -> list[T]:
        ended = [threading.Event() for _ in self._readers]
        threads = [threading.Thread(target=self._work, args=pair, daemon=True) for pair in zip(self._readers, ended, strict=True)]
        try:
            for thread in threads:
                thread.start()
            self._wait_for(threads, ended)
        except BaseException as error:  # Ctrl-C: the threads end before their connections are closed
            self._fail(error)
            self._wait_for(threads, ended)
            raise
        if self._failure is not None:
            raise self._failure
        return [self._results[number] for number in range(len(self._tasks))]

    def _wait_for(self, threads: Sequence[threading.Thread], ended: Sequence[threading.Event]) -> None:
        """Wait until all threads that have begun have ended. After a failure no other one takes a
        task.

        After a failure statements are cancelled again and again: one that came between two
        statements of a task would miss both. A signal that interrupts ``Thread.join`` makes Python
        3.11 take a running thread for one that has ended, so each thread says itself that it has.
        """
        for thread, one in zip(threads, ended, strict=True):
            while thread.ident is not None and not one.wait(_LOOK_EVERY_S):
                if self._failure is not None:
                    self._cancel()

    def _take(self) -> int | None:
        with self._lock:
            return None if self._failure is not None else next(self._next, None)

    def _work(self, raw: Raw, ended: threading.Event) -> None:
        try:
            while (number := self._take()) is not None:
                try:
                    self._results[number] = self._tasks[number](raw)
                except BaseException as error:  # noqa: BLE001 - raised again by results()
                    self._fail(error)
        finally:
            ended.set()

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._failure = self._failure or error
        self._cancel()

    def _cancel(self) -> None:
        for raw in self._readers:
            with contextlib.suppress(psycopg.Error):
                raw.cancel()


@contextlib.contextmanager
def shared_snapshot(jobs: int, *settings: str) -> Iterator[Snapshot]:
    """Open ``jobs`` connections on one moment of the database; close them at the end.

    ``settings`` are statements for each of the transactions. The connections are neither Django's
    nor from its pool. Raises Django's and psycopg's ``OperationalError`` if there is no connection.
    """
    with contextlib.ExitStack() as opened:
        readers = [opened.enter_context(_connection()) for _ in range(jobs)]
        exported: str | None = None
        for raw in readers:
            raw.execute(_BEGIN)
            if exported is not None:
                raw.execute(f"SET TRANSACTION SNAPSHOT '{exported}'")
            for setting in (*_SETTINGS, *settings):
                raw.execute(setting)
            if exported is None and jobs > 1:
                (exported,) = raw.execute("SELECT pg_export_snapshot()").fetchone() or (None,)
        yield Snapshot(readers)


@contextlib.contextmanager
def _connection() -> Iterator[Raw]:
    """Open a connection with the session of all others; it ends with its transaction."""
    own = new_own_connection()
    try:
        own.ensure_connection()
        raw = cast("Raw", own.connection)
        raw.cursor_factory = psycopg.Cursor
        yield raw
    finally:
        own.close()
        forget_own_connection(own)


def pages(raw: Raw, statement: str, parameters: Mapping[str, object], size: int) -> Iterator[list[tuple[Any, ...]]]:
    """Yield a statement's rows, at most ``size`` at once: any number takes the memory of one page.

    ``raw`` is in a transaction, and other statements may run on it meanwhile.
    """
    with psycopg.ServerCursor(raw, f"pages_{next(_numbers)}") as cursor:
        cursor.execute(statement, parameters)
        while rows := cursor.fetchmany(size):
            yield rows
