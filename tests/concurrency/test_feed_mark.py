"""The mark of the feed: nothing appears behind it, whatever commits late, whoever moves it, whatever the clocks do."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError

from ledger_project.kernel.ids import first_uuid7_at
from tests.support.service_role import owner_connection
from transfers.posting import sql
from transfers.selectors.mark import FEED_STATE, FeedState, get_feed_state_now
from transfers.services.mark import FORGET_NUMBER, NUMBER, PROPOSE, SETTLE, move_mark

MICROSECOND = timedelta(microseconds=1)
Raw = psycopg.Connection[Any]


def settle(*, beyond: datetime | None = None) -> FeedState:
    """Move the mark beyond a moment by the database's clock: what other tests left running may hold it back for a while."""
    wanted = beyond or get_feed_state_now().now
    patience_ends = time.monotonic() + 60
    while (state := move_mark()).settled_until < wanted:
        assert time.monotonic() < patience_ends, "the mark does not move"
        time.sleep(0.02)
    return state


@contextmanager
def session() -> Iterator[Raw]:
    with owner_connection() as raw:
        yield raw
        if not raw.closed:
            raw.rollback()


def begin(raw: Raw) -> None:
    """Do what a posting does first: it gets its number."""
    raw.execute("SELECT pg_current_xact_id()")


def clock(raw: Raw) -> datetime:
    """Read a posting's time."""
    row = raw.execute(sql.CLOCK, ["{}"]).fetchone()
    assert row is not None
    moment: datetime = row[1]
    return moment


def step(statement: str, version: int) -> bool:
    """Take one step of a mover, in a transaction of its own."""
    with connection.cursor() as cursor:
        cursor.execute(statement, [version])
        return cursor.fetchone() is not None


@pytest.fixture(autouse=True)
def still(ledger: None) -> Iterator[None]:
    """Begin where no candidate is under way."""
    del ledger
    settle()
    yield
    settle()


def test_the_mark_moves_to_now_and_its_time_is_never_given_again() -> None:
    before = get_feed_state_now()
    after = settle()
    assert after.settled_until >= before.now
    with session() as raw:
        begin(raw)
        assert clock(raw) > get_feed_state_now().candidate_until


def test_a_posting_that_has_read_its_time_holds_the_mark_before_it() -> None:
    with session() as raw:
        begin(raw)
        moment = clock(raw)
        for _ in range(5):
            assert move_mark().settled_until < moment
        raw.commit()
        assert settle().settled_until >= moment


def test_a_posting_that_reads_its_time_late_gets_one_after_the_candidate() -> None:
    with session() as raw:
        begin(raw)
        held = [move_mark().settled_until for _ in range(3)]
        assert clock(raw) > max(held)
        assert clock(raw) > get_feed_state_now().candidate_until


def test_a_posting_that_got_a_higher_number_before_the_candidate_was_there_is_waited_for() -> None:
    """``pg_snapshot_xmax`` would not do: it is above the highest number that has ended, and this posting's is that or more."""
    with session() as mover, session() as raw:
        version = get_feed_state_now().version
        mover.execute(PROPOSE, [version])  # its number is lower than the posting's; it is not committed
        begin(raw)
        moment = clock(raw)
        mover.execute("SELECT pg_sleep(0.002)")
        mover.execute("UPDATE transfers_feedmark SET id = id + 1, candidate_until = clock_timestamp()")
        mover.commit()
        state = get_feed_state_now()
        assert state.candidate_until > moment
        for _ in range(5):
            assert move_mark().settled_until < moment
        raw.commit()
    assert settle().settled_until >= moment


def test_steps_of_two_movers_interleave_and_each_is_done_once() -> None:
    version = get_feed_state_now().version
    assert step(PROPOSE, version)
    assert not step(PROPOSE, version)
    assert not step(NUMBER, version)
    assert not step(SETTLE, version)
    assert step(NUMBER, version + 1)
    assert not step(NUMBER, version + 1)
    assert step(SETTLE, version + 2)
    state = get_feed_state_now()
    assert (state.version, state.candidate_xid, state.settled_until) == (version + 3, None, state.candidate_until)


def test_a_mover_that_waits_for_nobody_leaves_the_row_to_who_has_it() -> None:
    with session() as other:
        other.execute("SELECT id FROM transfers_feedmark FOR UPDATE")
        before = get_feed_state_now()
        assert move_mark().version == before.version
    assert settle().version > before.version


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_mover_that_is_killed_between_two_steps_leaves_the_rest_to_the_next(steps: int) -> None:
    state = get_feed_state_now()
    for number, statement in enumerate((PROPOSE, NUMBER)[:steps]):
        assert step(statement, state.version + number)
    with session() as raw:  # the next step is begun, and its mover dies before it commits
        raw.execute((PROPOSE, NUMBER, SETTLE)[steps], [state.version + steps])
        raw.execute("SELECT 1")
        raw.close()
    assert settle(beyond=state.now).settled_until >= state.now


def dawdle(raw: Raw) -> bool:
    """Be under way for a while; return whether the mark passed meanwhile."""
    begin(raw)
    moment = clock(raw)
    seen = [raw.execute("SELECT settled_until FROM transfers_feedmark").fetchone() for _ in range(3)]
    raw.commit()
    return any(row is None or row[0] >= moment for row in seen)


def test_many_movers_at_once_never_pass_a_posting_that_is_under_way() -> None:
    stop = threading.Event()
    passed: list[bool] = []

    def post() -> None:
        with owner_connection() as raw:
            while not stop.is_set():
                passed.append(dawdle(raw))

    def move() -> None:
        try:
            while not stop.is_set():
                move_mark()
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for work in (post, post, post, move, move, move)]
    before = get_feed_state_now().settled_until
    for thread in threads:
        thread.start()
    stop.wait(3)
    stop.set()
    for thread in threads:
        thread.join()
    assert not any(passed), passed.count(True)
    assert len(passed) > 100
    assert get_feed_state_now().settled_until > before


def test_a_clock_that_is_set_back_gives_no_time_behind_the_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    settled = settle()
    early = sql.CLOCK.replace("clock_timestamp()", "clock_timestamp() - interval '3 seconds'")
    assert early != sql.CLOCK
    with session() as raw:
        begin(raw)
        row = raw.execute(early, ["{}"]).fetchone()
        assert row is not None
        assert row[1] == get_feed_state_now().candidate_until + MICROSECOND > settled.settled_until


def test_no_candidate_is_proposed_by_a_clock_that_is_not_this_processs(settings: Any) -> None:
    before = get_feed_state_now()
    settings.LEDGER_CLOCK_TOLERANCE = -10.0  # no clock agrees with itself
    assert move_mark().candidate_until == before.candidate_until
    assert get_feed_state_now().candidate_until == before.candidate_until


def test_a_restored_dump_has_a_number_of_another_server_and_moves_all_the_same() -> None:
    state = get_feed_state_now()
    assert step(PROPOSE, state.version)
    with owner_connection() as raw:
        raw.execute(
            "UPDATE transfers_feedmark SET id = id + 1, candidate_xid = pg_snapshot_xmax(pg_current_snapshot())::text::bigint + 1000000"
        )
    assert get_feed_state_now().is_foreign
    assert settle(beyond=state.now).settled_until >= state.now


def test_a_transaction_that_writes_elsewhere_holds_the_mark_back_and_the_lag_says_so() -> None:
    with session() as raw:
        begin(raw)
        threading.Event().wait(0.3)
        state = move_mark()
        assert state.lag_s >= 0.3
        assert move_mark().version - state.version <= 2  # a mark that cannot move is not written again and again
        assert move_mark().version == move_mark().version
        held = move_mark()
    assert settle(beyond=held.now).settled_until - held.settled_until >= timedelta(seconds=0.3)


def test_a_long_read_elsewhere_neither_holds_the_mark_back_nor_slows_whoever_reads_it() -> None:
    with session() as raw:
        raw.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        raw.execute("SELECT 1 FROM transfers_feedmark")
        before = get_feed_state_now()
        for _ in range(150):
            assert move_mark().settled_until > before.settled_until
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql.CLOCK}", ["{}"])
            (plan,) = cursor.fetchone()
        (root,) = plan if isinstance(plan, list) else json.loads(plan)
        assert root["Plan"]["Shared Hit Blocks"] + root["Plan"]["Shared Read Blocks"] < 8, root


def test_the_mark_does_not_move_inside_a_transaction() -> None:
    with transaction.atomic(), pytest.raises(TransactionManagementError):
        move_mark()


def test_the_first_id_of_a_moment_in_sql_is_that_of_the_kernel(ledger: None) -> None:
    del ledger
    start = datetime(2026, 11, 26, 12, 30, 15, 123000, tzinfo=UTC)
    moments = [start + number * MICROSECOND for number in range(1100)] + [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, tzinfo=UTC),
    ]
    with session() as raw:
        rows = raw.execute("SELECT ledger_first_id(m) FROM unnest(%s::timestamptz[]) m", [moments]).fetchall()
    assert [row[0] for row in rows] == [first_uuid7_at(moment) for moment in moments]


ATTACKS = [
    "INSERT INTO transfers_feedmark SELECT id + 1000, settled_until, candidate_until, NULL, moved_at FROM transfers_feedmark",
    "DELETE FROM transfers_feedmark",
    "TRUNCATE transfers_feedmark",
    "UPDATE transfers_feedmark SET settled_until = candidate_until + interval '1 second', id = id + 1",
    "UPDATE transfers_feedmark SET candidate_until = clock_timestamp()",
    "UPDATE transfers_feedmark SET id = id + 2",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_mark_is_one_row_that_is_written_in_order(attack: str) -> None:
    with session() as raw, pytest.raises(psycopg.errors.IntegrityError):
        raw.execute(attack)


INSERT = "INSERT INTO transfers_event (id, type, data, created_at) VALUES (%s, 'fee_schedule.appended', '{}', %s)"


def event_at(raw: Raw, moment: datetime, identity: UUID | None = None) -> None:
    raw.execute(INSERT, [identity or first_uuid7_at(moment), moment])


def test_an_event_is_of_its_ids_time_and_neither_behind_the_mark_nor_in_the_future() -> None:
    with session() as raw:
        begin(raw)
        moment = clock(raw)
        with pytest.raises(psycopg.errors.CheckViolation, match="event_id_of_its_time"), raw.transaction():
            event_at(raw, moment, first_uuid7_at(moment + MICROSECOND))
        with pytest.raises(psycopg.errors.CheckViolation, match="behind the mark"), raw.transaction():
            event_at(raw, get_feed_state_now().settled_until)
        with pytest.raises(psycopg.errors.CheckViolation, match="in the future"), raw.transaction():
            event_at(raw, moment + timedelta(minutes=1))
        event_at(raw, moment)
        for attack in ("UPDATE transfers_event SET data = '[]'", "DELETE FROM transfers_event", "TRUNCATE transfers_event"):
            with pytest.raises(psycopg.errors.IntegrityError), raw.transaction():
                raw.execute(attack)


def test_an_event_that_is_not_settled_is_news() -> None:
    assert not get_feed_state_now().has_news
    with session() as raw:
        begin(raw)
        event_at(raw, clock(raw))
        row = raw.execute(FEED_STATE).fetchone()
        assert row is not None
        assert FeedState(*row).has_news


def test_a_number_can_be_forgotten_and_taken_again() -> None:
    version = get_feed_state_now().version
    assert step(PROPOSE, version)
    assert step(NUMBER, version + 1)
    assert step(FORGET_NUMBER, version + 2)
    assert get_feed_state_now().candidate_xid is None
