"""Reconciliation over several connections: they share one moment, and all or nothing is proved."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from django.db import connections
from psycopg.errors import AdminShutdown

from ledger_project.database.snapshots import Raw, shared_snapshot
from tests.operations.stories import Story, raw_connection, register, tell
from tests.operations.vandals import DAMAGES, Vandal, committing_vandal
from transfers.figures.differences import figure_differences
from transfers.models import ReconciliationRun
from transfers.reconciliation.run import ReconciliationRequest, prove, reconcile

COUNT = "SELECT count(*) FROM transfers_ledgerentry"


@pytest.fixture(scope="module")
def story(ledger: None) -> Story:
    del ledger
    return tell()


@pytest.fixture
def vandal(ledger: None) -> Iterator[Vandal]:
    del ledger
    with committing_vandal() as made:
        yield made


def findings(jobs: int) -> list[tuple[str, str, str]]:
    with shared_snapshot(jobs) as snapshot:
        assert snapshot.jobs == jobs
        return [(f.check, f.subject, f.detail) for f in prove(snapshot, ReconciliationRequest(renew_heads=True)).findings]


def run(jobs: int = 2, **more: object) -> ReconciliationRun:
    return reconcile(ReconciliationRequest(jobs=jobs, **more), figure_differences=figure_differences)


@pytest.mark.parametrize("name", DAMAGES)
def test_one_job_and_several_find_the_same(vandal: Vandal, story: Story, name: str) -> None:
    vandal.damages(DAMAGES[name], story)
    vandal.raw.commit()
    alone = findings(1)
    assert alone, "the damage is found"
    assert findings(2) == alone
    assert findings(3) == alone


def test_a_posting_between_the_starts_of_two_jobs_is_seen_by_none(story: Story) -> None:
    del story
    with shared_snapshot(3) as snapshot:
        (before,) = snapshot.first.execute(COUNT).fetchone() or (0,)
        register(500)
        together = threading.Barrier(3)

        def count(raw: Raw) -> int:
            together.wait(60)  # so that each connection takes one task
            (entries,) = raw.execute(COUNT).fetchone() or (0,)
            return int(entries)

        assert snapshot.run([count] * 3) == [before] * 3
    with raw_connection() as raw:
        assert raw.execute(COUNT).fetchone() == (before + 2,)


def test_results_come_in_the_order_of_the_tasks() -> None:
    with shared_snapshot(2) as snapshot:
        assert snapshot.run([lambda raw, n=n: raw.execute("SELECT %s::int", [n]).fetchone() for n in range(20)]) == [
            (n,) for n in range(20)
        ]


def test_the_first_failure_ends_the_statements_of_all_others() -> None:
    sleeping = threading.Event()

    def sleep(raw: Raw) -> None:
        sleeping.set()
        raw.execute("SELECT pg_sleep(600)")

    def fail(_raw: Raw) -> None:
        assert sleeping.wait(60)
        raise LookupError("this one")

    with shared_snapshot(2) as snapshot, pytest.raises(LookupError, match="this one"):
        snapshot.run([sleep, fail, sleep])


def interrupt() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


@pytest.mark.parametrize("when", ["as all of them work", "as the first one starts"])
def test_an_interruption_is_raised_when_all_tasks_have_ended(when: str) -> None:
    """Their connections are closed then: closing one that a thread works with ends the process."""
    working, begun, ended = threading.Barrier(2), [], []

    def sleep(raw: Raw) -> None:
        begun.append(raw)
        if when == "as the first one starts" or working.wait(60) == 0:  # one of the two
            interrupt()
        try:
            raw.execute("SELECT pg_sleep(600)")
        finally:
            time.sleep(0.5)  # longer than the run waits between two looks
            ended.append(raw)

    with shared_snapshot(2) as snapshot:
        with pytest.raises(KeyboardInterrupt):
            snapshot.run([sleep, sleep])
        assert len(ended) == len(begun) >= 1


def test_a_connection_that_is_lost_fails_the_run_and_stores_no_verdict(story: Story) -> None:
    del story
    before = ReconciliationRun.objects.count()
    failures: list[BaseException] = []

    def lose() -> None:
        try:
            run()
        except psycopg.Error as error:
            failures.append(error)
        finally:
            connections.close_all()

    waiting = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'transfers_hold'::regclass AND pid <> ALL(%s)"
    with raw_connection() as blocking, raw_connection() as watching:
        blocking.execute("LOCK TABLE transfers_hold IN ACCESS EXCLUSIVE MODE")
        watching.autocommit = True
        others = [pid for (pid,) in watching.execute("SELECT pid FROM pg_stat_activity")]  # a service of other tests, say
        thread = threading.Thread(target=lose)
        thread.start()
        while not (found := watching.execute(waiting, [others]).fetchall()):
            assert thread.is_alive(), failures
            thread.join(0.02)
        watching.execute("SELECT pg_terminate_backend(%s)", found[0])
        thread.join(60)
        blocking.rollback()
    assert [type(error) for error in failures] == [AdminShutdown]
    assert ReconciliationRun.objects.count() == before


def test_it_proves_one_moment_while_postings_go_on(story: Story) -> None:
    del story
    ended = threading.Event()
    told = []

    def go_on() -> None:
        try:
            while not ended.is_set():
                told.append(tell())
        finally:
            connections.close_all()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        first = run()
        runs = [run(incremental=number % 2 == 0) for number in range(4)]
        assert told
    finally:
        ended.set()
        thread.join()
    assert [made.findings for made in (first, *runs)] == [[]] * 5
    assert {made.kind for made in runs} == {"whole", "incremental"}


def test_two_runs_at_once_leave_heads_that_are_those_of_the_newest_verdict(story: Story) -> None:
    del story
    found: list[object] = []
    together = threading.Barrier(4)

    def prove_new(number: int) -> None:
        try:
            together.wait(60)
            tell()
            found.append(run(1, incremental=number % 2 == 0).findings)
        finally:
            connections.close_all()

    run()
    threads = [threading.Thread(target=prove_new, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[]] * 4
    assert run(incremental=True).findings == []
