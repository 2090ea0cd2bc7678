"""Reconciliations that are asked for: carried out once, whoever dies, is frozen, stopped or cut off in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, close_old_connections, connection, transaction
from django.utils import timezone

from ledger_project.database.fields import new_id
from merchants.models import Account
from people.models import User
from tests.environment import ROOT
from tests.operations.stories import USD, Story, post, raw_connection, register, tell
from tests.operations.test_periodic import QUIET, environment
from tests.support.factories import unique
from tests.support.lengths import long_only
from tests.support.waiting import until
from transfers.domain.commands import Details, TransferFunds
from transfers.figures.differences import figure_differences
from transfers.models import ReconciliationRun, RequestedReconciliation, WorkerSign
from transfers.services.requested_reconciliations import (
    MOST_ATTEMPTS,
    Kind,
    LeaseLost,
    Reached,
    ReconciliationRefused,
    Taken,
    ToProve,
    absence_of_worker,
    cancel_reconciliation,
    fail,
    finish,
    give_back,
    give_sign,
    keep,
    request_reconciliation,
    take,
    waits_for_process,
)
from transfers.upkeep.requested_reconciliation import carry_out

WHOLE = ToProve(Kind.WHOLE)


@pytest.fixture(scope="module")
def story(ledger: None) -> Story:
    del ledger
    return tell()


@pytest.fixture(autouse=True)
def none_open(ledger: None) -> Iterator[None]:
    del ledger
    yield
    RequestedReconciliation.objects.filter(status__in=("waiting", "running")).update(status="cancelled")


@pytest.fixture
def asker(ledger: None) -> User:
    del ledger
    return User.objects.create_user(unique("asker"), is_staff=True)


def asked(by: User, wanted: ToProve = WHOLE) -> UUID:
    identifier = new_id()
    assert request_reconciliation(identifier, wanted, by=by)
    return identifier


def row(identifier: UUID) -> RequestedReconciliation:
    return RequestedReconciliation.objects.get(id=identifier)


def is_(identifier: UUID, status: str) -> Callable[[], bool]:
    return lambda: row(identifier).status == status


def runs_since(moment: datetime) -> list[ReconciliationRun]:
    return list(ReconciliationRun.objects.filter(started_at__gte=moment))


@contextmanager
def process() -> Iterator[subprocess.Popen[str]]:
    """The process that a worker starts for a request, in a group of its own."""
    command = [sys.executable, "manage.py", "reconcile", "--requested", "--json", "--jobs", "2"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, env=environment(), text=True, start_new_session=True, **pipes) as made:
        try:
            yield made
        finally:
            for number in (signal.SIGCONT, signal.SIGKILL):
                with_group(made.pid, number)


def carried_out() -> ReconciliationRun | None:
    """What such a process does, in this one."""
    return carry_out(jobs=1, figure_differences=figure_differences)


@contextmanager
def worker() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "manage.py", "run_periodic", *QUIET]
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            yield process
        finally:
            for number in (signal.SIGCONT, signal.SIGKILL):
                with_group(process.pid, number)


def with_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


@contextmanager
def held_up() -> Iterator[None]:
    """No proof gets past external references meanwhile: it stays in the middle."""
    with raw_connection() as raw:
        raw.execute("LOCK TABLE transfers_externalreference IN ACCESS EXCLUSIVE MODE")
        yield
        raw.rollback()


def in_the_middle(identifier: UUID) -> Callable[[], bool]:
    """Whether it runs, and parts are proved that its row tells of."""
    return lambda: (found := row(identifier)).status == "running" and 0 < found.parts_done < found.parts


def readers() -> int:
    """How many sessions read for a proof."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' "
            "AND query LIKE '%transfers_externalreference%' AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


# --- by processes ---------------------------------------------------------------------------------------------------------------


def test_a_worker_carries_it_out_and_says_how_far_it_is(story: Story, asker: User) -> None:
    del story
    identifier = asked(asker)
    with worker():
        with held_up():
            until(in_the_middle(identifier), "nothing is told")
            found = row(identifier)
            assert found.stage
            assert found.attempt == 1
            assert found.started_at is not None
            assert found.parts >= 20
        until(is_(identifier, "done"), "it is not done")
        until(lambda: not absence_of_worker(), "no sign of the worker")
    run = row(identifier).run
    assert run is not None
    assert run.kind == "whole"
    assert row(identifier).entries_checked == run.entries_checked > 0


def test_two_workers_give_one_verdict(story: Story, asker: User) -> None:
    del story
    with worker(), worker():
        before = timezone.now()
        identifier = asked(asker)
        until(is_(identifier, "done"), "it is not done")
    assert [run.id for run in runs_since(before)] == [row(identifier).run_id]
    assert row(identifier).attempt == 1


def killed(one: subprocess.Popen[str]) -> None:
    with_group(one.pid, signal.SIGKILL)


def cut_off(one: subprocess.Popen[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%transfers_externalreference%' "
            "AND state = 'active' AND pid <> pg_backend_pid()"
        )
    assert one.wait(60) != 0


@pytest.mark.parametrize(("ended", "waits"), [pytest.param(killed, True, marks=long_only), (killed, False), (cut_off, False)])
def test_what_a_process_left_in_the_middle_another_one_finishes(
    story: Story, asker: User, ended: Callable[[subprocess.Popen[str]], None], waits: bool
) -> None:
    del story
    before, identifier = timezone.now(), asked(asker)
    with held_up(), process() as first:
        until(in_the_middle(identifier), "it does not run")
        ended(first)
        first.wait(60)
        assert row(identifier).status == "running"
    assert carried_out() is None, "its lease was not over yet"
    if not waits:  # half a minute is as if it had passed
        RequestedReconciliation.objects.filter(id=identifier).update(leased_until=timezone.now())
    with worker():  # by itself, when the lease is over
        until(is_(identifier, "done"), "nobody took it over", within_s=90)
    found = row(identifier)
    assert found.attempt == 2
    assert [run.id for run in runs_since(before)] == [found.run_id]


def test_a_worker_that_is_told_to_stop_gives_it_back_at_once(story: Story, asker: User) -> None:
    del story
    before, identifier = timezone.now(), asked(asker)
    with held_up(), worker() as first:
        until(in_the_middle(identifier), "it does not run")
        first.terminate()
        first.wait(60)
        assert row(identifier).status == "waiting"
        assert row(identifier).leased_by is None
    assert [carried_out()] == runs_since(before)


def test_a_frozen_process_that_goes_on_stores_nothing(story: Story, asker: User) -> None:
    del story
    before, identifier = timezone.now(), asked(asker)
    with process() as frozen:
        with held_up():
            until(in_the_middle(identifier), "it does not run")
            with_group(frozen.pid, signal.SIGSTOP)
            RequestedReconciliation.objects.filter(id=identifier).update(leased_until=timezone.now())
        assert carried_out() is not None
        with_group(frozen.pid, signal.SIGCONT)
        assert frozen.communicate(timeout=90)[0].strip() == "null"
        assert frozen.returncode == 0
    assert [run.id for run in runs_since(before)] == [row(identifier).run_id]


def test_a_cancelled_one_stops_within_seconds_also_in_the_database(story: Story, asker: User) -> None:
    del story
    before, identifier = timezone.now(), asked(asker)
    with held_up(), process() as running:
        until(in_the_middle(identifier), "it does not run")
        until(lambda: readers() > 0, "nothing is held up")
        cancel_reconciliation(identifier)
        assert running.communicate(timeout=60)[0].strip() == "null"
        until(lambda: readers() == 0, "a statement goes on")
    assert row(identifier).status == "cancelled"
    assert runs_since(before) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_one_waits_again(story: Story, asker: User, number: signal.Signals) -> None:
    del story
    identifier = asked(asker)
    with held_up(), process() as running:
        until(in_the_middle(identifier), "it does not run")
        running.send_signal(number)
        running.wait(60)
    assert row(identifier).status == "waiting"
    assert waits_for_process()


def test_nothing_asked_for_is_nothing_done(ledger: None, capsys: pytest.CaptureFixture[str]) -> None:
    del ledger
    before, handler = timezone.now(), signal.getsignal(signal.SIGTERM)
    call_command("reconcile", "--requested", "--jobs", "1")
    assert capsys.readouterr().out == "Nothing is asked for.\n"
    assert runs_since(before) == []
    assert signal.getsignal(signal.SIGTERM) is handler


@pytest.mark.parametrize("more", [["--incremental"], ["--anchor", "x"], ["--limit", "3"], ["--renew-heads"]])
def test_nothing_else_goes_with_it(ledger: None, more: list[str]) -> None:
    del ledger
    with pytest.raises(CommandError, match="--requested goes with --jobs and --json only"):
        call_command("reconcile", "--requested", *more)


def test_a_fault_of_the_program_ends_it_and_says_so(asker: User) -> None:
    def broken(_raw: object) -> list[object]:
        raise ValueError("a fault")

    identifier = asked(asker)
    with pytest.raises(ValueError, match="a fault"):
        carry_out(jobs=1, figure_differences=broken)
    assert (row(identifier).status, row(identifier).failure) == ("failed", "ValueError: a fault")


# --- the scope ------------------------------------------------------------------------------------------------------------------


def test_each_kind_proves_what_was_asked_for(story: Story, asker: User) -> None:
    del story
    payer, payee = register(100_00), register()
    post(TransferFunds(payer, payee, USD, 10_00, Details()))
    account = Account.objects.get(merchant_id=payer.id, kind="wallet", currency="USD")
    since = datetime(2026, 1, 31, tzinfo=UTC)
    for wanted, scope in (
        (ToProve(Kind.WHOLE), "everything"),
        (ToProve(Kind.INCREMENTAL), "new since "),
        (ToProve(Kind.NARROW, account_id=account.id), f"account {account.id}"),
        (ToProve(Kind.NARROW, since=since), "since 2026-01-31"),
    ):
        identifier = asked(asker, wanted)
        run = carried_out()
        assert run is not None
        assert row(identifier).run == run
        assert run.scope.startswith(scope)
        assert run.kind == wanted.kind


# --- the lease ------------------------------------------------------------------------------------------------------------------


def taken(by: User) -> Taken:
    asked(by)
    found = take(new_id())
    assert found is not None
    return found


def verdict() -> ReconciliationRun:
    now = timezone.now()
    return ReconciliationRun.objects.create(
        started_at=now, finished_at=now, verdict="clean", findings=[], entries_checked=7, kind="whole", scope="everything"
    )


def test_of_many_that_ask_at_once_one_is_heard(asker: User) -> None:
    heard, refused, start = [], [], threading.Barrier(8)

    def ask() -> None:
        start.wait()
        try:
            heard.append(asked(asker))
        except ReconciliationRefused:
            refused.append(1)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    close_old_connections()
    assert (len(heard), len(refused)) == (1, 7)


def test_a_form_that_is_sent_twice_asks_once(asker: User) -> None:
    identifier = asked(asker)
    assert not request_reconciliation(identifier, WHOLE, by=asker)
    cancel_reconciliation(identifier)
    assert not request_reconciliation(identifier, WHOLE, by=asker)
    assert row(identifier).status == "cancelled"


def test_of_many_that_take_it_at_once_one_has_it(asker: User) -> None:
    asked(asker)
    found, start = [], threading.Barrier(8)

    def try_it() -> None:
        start.wait()
        found.append(take(new_id()))
        connection.close()

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one is not None for one in found) == 1


def test_who_lost_the_lease_changes_nothing(asker: User) -> None:
    late = taken(asker)
    RequestedReconciliation.objects.filter(id=late.id).update(leased_until=timezone.now() - timedelta(seconds=1))
    holder = take(new_id())
    assert holder is not None
    assert not keep(late, Reached("late", 9, 9, 9))
    give_back(late)
    fail(late, "late")
    with pytest.raises(LeaseLost), transaction.atomic():
        finish(late, verdict())
    found = row(late.id)
    assert (found.status, found.stage, found.leased_by, found.attempt) == ("running", "", holder.worker, 2)
    finish(holder, verdict())
    assert row(late.id).status == "done"


def test_a_lease_that_nobody_took_is_kept_on(asker: User) -> None:
    holder = taken(asker)
    RequestedReconciliation.objects.filter(id=holder.id).update(leased_until=timezone.now() - timedelta(seconds=1))
    assert keep(holder, Reached("on", 1, 2, 3))
    assert take(new_id()) is None


def test_what_kills_every_process_is_given_up(asker: User) -> None:
    identifier = asked(asker)
    for attempt in range(MOST_ATTEMPTS):
        assert take(new_id()) is not None, attempt
        RequestedReconciliation.objects.filter(id=identifier).update(leased_until=timezone.now() - timedelta(seconds=1))
    assert take(new_id()) is None
    assert row(identifier).status == "failed"
    assert "3 processes" in row(identifier).failure
    assert asked(asker), "another one can be asked for"


def test_what_has_ended_is_not_cancelled(asker: User) -> None:
    holder = taken(asker)
    finish(holder, verdict())
    with pytest.raises(ReconciliationRefused):
        cancel_reconciliation(holder.id)


def test_the_database_refuses_a_second_open_one_and_an_end_without_a_verdict(asker: User) -> None:
    identifier = asked(asker)
    for change in (
        lambda: RequestedReconciliation.objects.create(kind="whole", requested_by=asker),
        lambda: RequestedReconciliation.objects.filter(id=identifier).update(status="done"),
        lambda: RequestedReconciliation.objects.filter(id=identifier).update(status="lost"),
        lambda: RequestedReconciliation.objects.filter(id=identifier).update(kind="narrow"),
        lambda: WorkerSign.objects.create(id=2, seen_at=timezone.now()),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()


def test_a_worker_without_a_sign_for_long_is_absent(ledger: None) -> None:
    del ledger
    WorkerSign.objects.all().delete()
    assert absence_of_worker() == "No worker was ever seen."
    give_sign()
    assert absence_of_worker() == ""
    seen = timezone.now() - timedelta(seconds=31)
    WorkerSign.objects.update(seen_at=seen)
    assert absence_of_worker() == f"No worker was seen since {seen:%Y-%m-%d %H:%M:%S} UTC."
