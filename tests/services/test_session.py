"""The store's own pipeline: what comes back is whose it is, errors are the database's, and no connection is left in between."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import connection, connections, transaction
from psycopg import errors as pg
from psycopg.pq import PipelineStatus, TransactionStatus

from tests.operations.stories import raw_connection
from transfers.posting.pipeline import Session, failed_statement

LARGE = 3_000_000
"""Bytes: far beyond what a socket takes at once, in either direction."""


def run(executor: ThreadPoolExecutor, function: Any, *arguments: Any) -> Any:
    future: Future[Any] = executor.submit(function, *arguments)
    return future.result(30)


def backend() -> int:
    with transaction.atomic():
        (row,) = Session().send("SELECT pg_backend_pid()").fetchall()
    return int(str(row[0]))


def is_at_rest() -> bool:
    status = connection.connection.pgconn
    return bool(status.pipeline_status == PipelineStatus.OFF and status.transaction_status == TransactionStatus.IDLE)


def test_each_reply_is_its_statements(posting_thread: ThreadPoolExecutor) -> None:
    def ask() -> list[Any]:
        with transaction.atomic():
            session = Session()
            with session.round_trip():
                replies = [session.send("SELECT %s::int, generate_series(1, %s)", [n, n]) for n in range(5)]
                words = session.send("SELECT NULL::text, %s::text, %s", ['}{\\"', None])
                nothing = session.send("SELECT 1 WHERE false")
                big = session.send("SELECT repeat('x', %s), %s::text", [LARGE, "y" * LARGE])
                values = session.send(
                    "SELECT %s::numeric, %s::uuid, %s::timestamptz, true, %s::bytea",
                    [10**38 - 1, UUID(int=5), datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "\\x00ff"],
                    binary=True,
                )
            assert [len(str(cell)) for cell in big.fetchone() or ()] == [LARGE, LARGE]
            return [*(reply.fetchall() for reply in replies), words.fetchone(), nothing.fetchone(), values.fetchone()]

    *series, words, nothing, values = run(posting_thread, ask)
    assert series == [[(n, i) for i in range(1, n + 1)] for n in range(5)]
    assert words == (None, '}{\\"', None)
    assert nothing is None
    number, identifier, moment, yes, raw = values
    assert (number, identifier, yes, bytes(raw)) == (Decimal(10**38 - 1), UUID(int=5), True, b"\x00\xff")
    assert moment == datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert run(posting_thread, is_at_rest)


def test_the_first_error_is_raised_with_its_details_and_the_connection_goes_on(posting_thread: ThreadPoolExecutor) -> None:
    def fail() -> None:
        with transaction.atomic():
            session = Session()
            session.send("CREATE TEMP TABLE once (n int CONSTRAINT once_is_unique UNIQUE)")
            with session.round_trip():
                session.send("INSERT INTO once VALUES (1)")
                session.send("INSERT INTO once VALUES (1)")
                session.send("SELECT 1 / 0")

    before = run(posting_thread, backend)
    with pytest.raises(pg.UniqueViolation) as raised:
        run(posting_thread, fail)
    assert raised.value.diag.constraint_name == "once_is_unique"
    assert run(posting_thread, is_at_rest)
    assert run(posting_thread, backend) == before


def test_a_statement_that_cannot_be_prepared_is_prepared_when_it_can_be(posting_thread: ThreadPoolExecutor) -> None:
    statement = "SELECT count(*) FROM not_there_yet"

    def ask(make: str | None) -> Any:
        with transaction.atomic():
            session = Session()
            if make:
                session.send(make)
            return session.send(statement).fetchone()

    with pytest.raises(pg.UndefinedTable):
        run(posting_thread, ask, None)
    assert run(posting_thread, ask, "CREATE TEMP TABLE not_there_yet ()") == (0,)


def test_a_mistake_between_two_statements_ends_the_connection(posting_thread: ThreadPoolExecutor) -> None:
    def stumble() -> None:
        with transaction.atomic():
            session = Session()
            with session.round_trip():
                session.send("SELECT 1")
                raise ZeroDivisionError

    before = run(posting_thread, backend)
    with pytest.raises(ZeroDivisionError):
        run(posting_thread, stumble)
    assert run(posting_thread, backend) != before


def test_a_connection_that_is_cut_says_so(posting_thread: ThreadPoolExecutor) -> None:
    def ask(pid: int) -> None:
        with transaction.atomic():
            session = Session()
            session.send("SELECT 1")
            with raw_connection() as other:
                other.autocommit = True
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
            session.send("SELECT 2")

    with pytest.raises(psycopg.OperationalError):
        run(posting_thread, ask, run(posting_thread, backend))
    run(posting_thread, connections.close_all)
    assert run(posting_thread, backend)


def test_a_percent_sign_would_be_a_placeholder(posting_thread: ThreadPoolExecutor) -> None:
    def ask() -> None:
        with transaction.atomic():
            Session().send("SELECT 5 % 3")

    with pytest.raises(AssertionError):
        run(posting_thread, ask)


def test_an_error_tells_its_statement(posting_thread: ThreadPoolExecutor) -> None:
    """Of several in one round trip, the first one that failed; also where it could not even be prepared."""

    def fail(*statements: str) -> str | None:
        with pytest.raises(psycopg.Error) as failed, transaction.atomic():
            session = Session()
            with session.round_trip():
                for statement in statements:
                    session.send(statement)
        return failed_statement(failed.value)

    assert run(posting_thread, fail, "SELECT 1", "SELECT 1/0", "SELECT 2/0") == "SELECT 1/0"
    assert run(posting_thread, fail, "SELECT 1", "SELECT nothing", "SELECT 1/0") == "SELECT nothing"
    assert failed_statement(ValueError()) is None
