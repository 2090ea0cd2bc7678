"""The reading lane: what arrives together is read together, and nobody waits for somebody else's page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import psycopg
import pytest
from django.db import connection

from ledger_project.database import loop_connection
from ledger_project.database.arrays import words
from ledger_project.database.readers import in_reader
from ledger_project.database.reading_lane import Question, ask, ask_now, close_lane
from ledger_project.database.reading_pages import PAGES, close_pages, read_page
from ledger_project.kernel.errors import DatabaseUnavailable
from tests.support.service_role import owner_connection

Row = tuple[Any, ...]


def of_numbers(columns: str) -> Question[int, Row]:
    """A question whose key is a number."""

    def read(rows: Iterable[Row]) -> dict[int, Row]:
        return {row[0]: row for row in rows}

    return Question(f"SELECT k, {columns} FROM unnest(%s::int[]) AS u(k)", lambda keys: [words(str(key) for key in keys)], read)


SESSION = of_numbers("pg_backend_pid(), statement_timestamp()")
SLOW = of_numbers("pg_backend_pid(), pg_sleep(0.3)")
DIVISION = of_numbers("12 / k")


def end_session(pid: int) -> None:
    """End a session of the database, as a failover does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


async def backend() -> int:
    """Return the session that answers questions."""
    row = await ask(SESSION, 0)
    assert row is not None
    return int(row[1])


async def test_what_is_asked_together_is_one_statement(ledger: None) -> None:
    rows = await asyncio.gather(*[ask(SESSION, number) for number in range(50)], *[ask(DIVISION, number) for number in range(1, 9)])
    moments = {row[2] for row in rows[:50] if row is not None}
    assert len(moments) == 1, "one statement has one time"
    assert [row[0] for row in rows[:50] if row is not None] == list(range(50))
    assert [row[1] for row in rows[50:] if row is not None] == [12 // number for number in range(1, 9)]


async def test_a_key_without_a_row_has_no_answer(ledger: None) -> None:
    some = Question(
        "SELECT k FROM unnest(%s::int[]) AS u(k) WHERE k > 3",
        lambda keys: [words(str(key) for key in keys)],
        lambda rows: {row[0]: row[0] for row in rows},
    )
    assert await asyncio.gather(ask(some, 3), ask(some, 4), ask(some, 4)) == [None, 4, 4]
    assert await in_reader(ask_now, some, [3, 4]) == {4: 4}


async def test_a_bad_key_fails_alone(ledger: None) -> None:
    bad, *good = await asyncio.gather(*[ask(DIVISION, number) for number in (0, 1, 2, 3)], return_exceptions=True)
    assert isinstance(bad, psycopg.errors.DivisionByZero)
    assert good == [(1, 12), (2, 6), (3, 4)]


async def test_an_answer_that_cannot_be_read_fails_alone(ledger: None) -> None:
    def read(rows: Iterable[Row]) -> dict[int, int]:
        return {row[0]: 12 // row[0] for row in rows}

    question = Question("SELECT k FROM unnest(%s::int[]) AS u(k)", lambda keys: [words(str(key) for key in keys)], read)
    bad, good = await asyncio.gather(ask(question, 0), ask(question, 4), return_exceptions=True)
    assert isinstance(bad, ZeroDivisionError)
    assert good == 3


async def test_a_key_that_cannot_be_sent_fails_alone_and_the_lane_goes_on(ledger: None) -> None:
    texts: Question[str, str] = Question(
        "SELECT k FROM unnest(%s::text[]) AS u(k)", lambda keys: [words(keys)], lambda rows: {str(row[0]): str(row[0]) for row in rows}
    )
    bad, good, other = await asyncio.gather(ask(texts, "\ud800"), ask(texts, "a"), ask(DIVISION, 3), return_exceptions=True)
    assert isinstance(bad, UnicodeEncodeError)
    assert (good, other) == ("a", (3, 4))
    assert await ask(DIVISION, 4) == (4, 3)


async def test_what_arrives_meanwhile_is_the_next_statement(ledger: None) -> None:
    await backend()
    first = asyncio.ensure_future(ask(SLOW, 1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    later = await asyncio.gather(*[ask(SESSION, number) for number in range(5)])
    assert first.done(), "the lane has one connection"
    assert len({row[2] for row in later if row is not None}) == 1


async def test_a_lost_connection_is_made_again(ledger: None) -> None:
    pid = await backend()
    await in_reader(end_session, pid)
    assert await backend() != pid


async def test_a_question_that_was_under_way_is_asked_once_more(ledger: None) -> None:
    pid = await backend()
    never_ends = of_numbers(f"pg_backend_pid(), pg_sleep(CASE pg_backend_pid() WHEN {pid} THEN 600 ELSE 0 END)")
    waiting = asyncio.ensure_future(ask(never_ends, 1))
    await asyncio.sleep(0)
    await in_reader(end_session, pid)
    row = await waiting
    assert row is not None
    assert row[1] != pid


async def test_a_slow_page_holds_up_no_question(ledger: None) -> None:
    with owner_connection() as holder:
        holder.execute("SELECT pg_advisory_lock(16)")
        pages = [asyncio.ensure_future(read_page("SELECT pg_advisory_xact_lock_shared(16)", [])) for _ in range(9)]
        await asyncio.sleep(0)
        assert await ask(DIVISION, 3) == (3, 4)
        assert not any(page.done() for page in pages)
        holder.execute("SELECT pg_advisory_unlock(16)")
    await asyncio.gather(*pages)


async def test_pages_have_so_many_connections(ledger: None, settings: Any) -> None:
    settings.LEDGER_PAGE_CONNECTIONS = 2
    await close_pages()
    rows = await asyncio.gather(*[read_page("SELECT pg_backend_pid(), pg_sleep(0.02)", []) for _ in range(7)])
    assert len({row[0][0] for row in rows}) == 2


async def test_a_page_over_a_lost_connection_is_read_once_more(ledger: None, settings: Any) -> None:
    settings.LEDGER_PAGE_CONNECTIONS = 1
    await close_pages()
    ((pid,),) = await read_page("SELECT pg_backend_pid()", [])
    await in_reader(end_session, pid)
    ((other,),) = await read_page("SELECT pg_backend_pid()", [])
    assert other != pid


async def test_a_caller_who_gives_up_leaves_the_connection_to_others(ledger: None, settings: Any) -> None:
    settings.LEDGER_PAGE_CONNECTIONS = 1
    await close_pages()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(read_page("SELECT pg_sleep(30)", []), 0.2)
    assert await read_page("SELECT 1", []) == [(1,)]


async def test_more_than_the_bound_is_refused(ledger: None, settings: Any) -> None:
    settings.LEDGER_READ_QUEUE_MAX = settings.LEDGER_PAGE_CONNECTIONS = 2
    await close_pages()
    await close_lane()  # questions of other tests count too
    questions = [asyncio.ensure_future(ask(SLOW, number)) for number in (1, 2)]
    pages = [asyncio.ensure_future(read_page("SELECT 7, pg_sleep(0.3)", [])) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(DatabaseUnavailable, match="Too many"):
        await ask(SLOW, 3)
    with pytest.raises(DatabaseUnavailable, match="Too many"):
        await read_page("SELECT 1", [])
    assert [row[0] for row in await asyncio.gather(*questions) if row is not None] == [1, 2]
    assert [rows[0][0] for rows in await asyncio.gather(*pages)] == [7] * 4


async def test_a_statement_that_takes_too_long_ends(ledger: None, settings: Any) -> None:
    settings.LEDGER_PAGE_CONNECTIONS = 1
    await close_pages()
    await read_page("SELECT set_config('statement_timeout', '50', false)", [])
    with pytest.raises(psycopg.errors.QueryCanceled):
        await read_page("SELECT pg_sleep(30)", [])
    assert await read_page("SELECT 1", []) == [(1,)]
    await close_pages()


async def test_a_silent_server_counts_as_lost(ledger: None, settings: Any) -> None:
    settings.LEDGER_READ_TIMEOUT = -0.8  # and one second more
    await close_lane()
    with pytest.raises(psycopg.OperationalError, match="closed"):
        await ask(of_numbers("pg_sleep(20)"), 1)
    settings.LEDGER_READ_TIMEOUT = 30
    assert await ask(DIVISION, 4) == (4, 3)


@pytest.fixture
async def one_page_connection(ledger: None, settings: Any) -> AsyncIterator[None]:
    """Have all pages of a test read by one new connection."""
    await close_pages()
    settings.LEDGER_PAGE_CONNECTIONS = 1
    yield
    await close_pages()


async def test_a_connection_keeps_a_bound_of_prepared_statements(one_page_connection: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_connection, "MOST_PREPARED", 3)
    for _ in range(2):
        for number in range(8):
            assert await read_page(f"SELECT {number} + %s::int", [1]) == [(number + 1,)]
    ((kept,),) = await read_page("SELECT count(*) FROM pg_prepared_statements", [])
    assert kept <= 3


async def test_a_statement_that_failed_is_prepared_once(one_page_connection: None) -> None:
    session = "SELECT pg_backend_pid() + 0 / %s::int"
    before = await read_page(session, [1])
    with pytest.raises(psycopg.errors.DivisionByZero):
        await read_page(session, [0])
    assert await read_page(session, [1]) == before, "the same connection still has it"


async def test_a_statement_that_could_not_be_prepared_is_prepared_again(one_page_connection: None) -> None:
    before = await read_page("SELECT pg_backend_pid()", [])
    for _ in range(2):
        with pytest.raises(psycopg.errors.UndefinedTable):
            await read_page("SELECT pg_backend_pid() FROM table_of_later", [])
    assert await read_page("SELECT pg_backend_pid()", []) == before


async def test_a_page_is_planned_once_and_without_scans(one_page_connection: None) -> None:
    names = sorted(PAGES)
    rows = await read_page("SELECT name, setting FROM pg_settings WHERE name = ANY(%s::text[]) ORDER BY name", [words(names)])
    assert rows == [(name, PAGES[name]) for name in names]
    for number in range(3):
        await read_page("SELECT %s::int", [number])
    plans = await read_page("SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement = 'SELECT $1::int'", [])
    assert plans == [(3, 0)]
