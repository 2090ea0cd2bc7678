"""``manage.py run_periodic``: what it does beside web processes that leave it to it, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from queue import Queue

import httpx
import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ledger_project.database.fields import new_id
from ledger_project.kernel.money import CurrencyUnit
from tests.environment import ROOT
from tests.operations.stories import USD, post, raw_connection, register
from tests.operations.test_commands import balance, treasury
from tests.support.command_runner import Run
from tests.support.factories import unique
from tests.support.keys import make_keys
from tests.support.own_servers import run_command, shared_runner
from tests.support.servers import database_url, free_port
from tests.support.waiting import until
from transfers.domain.commands import Details, PlaceHold, TransferFunds
from transfers.models import Hold, IdempotencyClaim, IdempotencyRecord, ReconciliationRun, RequestedReconciliation, Transfer
from transfers.upkeep.periodic import ReconciliationTimes, _due_reconciliation, _Stopped, _unless, purging, settling

BHD = CurrencyUnit("BHD", 3)


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"DATABASE_URL": database_url(), "LEDGER_LOG_FORMAT": "json"} | more


class Worker:
    """A process of ``manage.py run_periodic`` that has begun."""

    def __init__(self, arguments: tuple[str, ...], folder: Path) -> None:
        self._out = folder / "out"
        self._pids: Queue[int] = Queue()
        self._threads = ThreadPoolExecutor(1)
        self._run = self._threads.submit(
            shared_runner().run, "run_periodic", *arguments, url=database_url(), out=str(self._out), meanwhile=self._pids.put
        )
        self.pid = self._pids.get(timeout=60)
        until(lambda: self._said().startswith("Periodic work: holds") or self._run.done(), "it does not begin")

    def _said(self) -> str:
        return self._out.read_text() if self._out.exists() else ""

    def end(self, sent: signal.Signals) -> Run:
        """Send a signal, if it has not ended, and return how it ended."""
        if not self._run.done():
            os.kill(self.pid, sent)
        ended = self._run.result(60)
        self._threads.shutdown()
        return ended


@contextmanager
def worker(*arguments: str) -> Iterator[Worker]:
    """Have one run; it is killed after the block, unless it was ended there."""
    with tempfile.TemporaryDirectory() as folder:
        process = Worker(arguments, Path(folder))
        try:
            yield process
        finally:
            process.end(signal.SIGKILL)


QUIET = ("--settle-every", "0", "--purge-every", "0", "--reconcile-every", "0", "--reconcile-new-every", "0")


def test_it_expires_forgets_and_reconciles(ledger: None) -> None:
    del ledger
    payer, payee = register(100_00), register()
    hold = new_id(place=payer.id)
    post(PlaceHold(hold, payer, payee, USD, 10_00, 1, Details()))
    (record,) = make_keys([unique("key")], at=timezone.now() - timedelta(days=9), owner="periodic")
    started = timezone.now()
    with worker("--settle-every", "0", "--reconcile-every", "1"):
        until(lambda: Hold.objects.get(id=hold).status == "expired", "the hold is not expired")
        until(lambda: not IdempotencyRecord.objects.filter(id=record.id).exists(), "the key is not forgotten")
        until(lambda: ReconciliationRun.objects.filter(started_at__gte=started, kind="whole").exists(), "nothing was reconciled")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_order(ledger: None, sent: signal.Signals) -> None:
    del ledger
    with worker(*QUIET) as process:
        ended = process.end(sent)
    assert ended.code == 0, ended
    assert ended.out.splitlines()[1:] == ["Stopped."]
    assert "Traceback" not in ended.err


def test_a_reconciliation_under_way_does_not_keep_it_from_ending(ledger: None) -> None:
    """It waits for a lock here, as it would for a large ledger; a verdict that was not reached is not stored."""
    del ledger
    before = ReconciliationRun.objects.count()
    often = ("--settle-every", "0", "--purge-every", "0", "--reconcile-every", "0.001")
    with raw_connection() as blocking, raw_connection() as watching, worker(*often) as process:
        watching.autocommit = True
        blocking.execute("LOCK TABLE transfers_idempotencyclaim IN ACCESS EXCLUSIVE MODE")
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ILIKE '%idempotencyclaim%'"
        until(lambda: watching.execute(waiting).fetchone() != (0,), "nothing reconciles")
        assert process.end(signal.SIGTERM).code == 0
        blocking.rollback()
    time.sleep(0.5)
    assert ReconciliationRun.objects.count() - before <= 1  # what ended before the table was locked


def verdict(kind: str, started_at: datetime) -> None:
    ReconciliationRun.objects.create(
        started_at=started_at, finished_at=started_at, verdict="clean", findings=[], entries_checked=0, kind=kind, scope=kind
    )


def test_what_is_new_is_proved_hourly_and_all_weekly(ledger: None) -> None:
    del ledger
    with transaction.atomic():
        RequestedReconciliation.objects.all().delete()
        ReconciliationRun.objects.all().delete()
        now, times = timezone.now(), ReconciliationTimes(7 * 86_400, 3_600)
        assert _due_reconciliation(times) == ()
        assert _due_reconciliation(ReconciliationTimes(0, 3_600)) == ("--incremental",)
        assert _due_reconciliation(ReconciliationTimes(0, 0)) is None
        verdict("whole", now - timedelta(days=6))
        verdict("narrow", now)
        assert _due_reconciliation(times) == ("--incremental",)
        verdict("incremental", now - timedelta(minutes=59))
        assert _due_reconciliation(times) is None
        assert _due_reconciliation(ReconciliationTimes(5 * 86_400, 3_600)) == ()
        verdict("whole", now)
        assert _due_reconciliation(ReconciliationTimes(5 * 86_400, 1)) is None
        transaction.set_rollback(True)


def test_the_worker_proves_what_is_new(ledger: None) -> None:
    del ledger
    verdict("whole", timezone.now())
    with worker("--settle-every", "0", "--purge-every", "0", "--reconcile-new-every", "1"):
        until(
            lambda: ReconciliationRun.objects.filter(kind="incremental", started_at__gte=timezone.now() - timedelta(seconds=60)).exists(),
            "what is new was not proved",
        )


def test_a_reconciliation_of_a_moment_ago_is_not_repeated(ledger: None) -> None:
    del ledger
    now = timezone.now()
    verdict("whole", now)
    with worker("--settle-every", "0", "--purge-every", "0"):
        time.sleep(2)
    assert not ReconciliationRun.objects.filter(started_at__gt=now).exists()


def test_fees_are_swept_when_the_last_sweep_is_long_ago(ledger: None) -> None:
    del ledger
    platform, payer = treasury(), register(1_000_000, BHD)
    post(TransferFunds(payer, register(0, BHD), BHD, 100_000, Details()))
    assert settling(1e-6).do(lambda: False)
    assert balance(platform, "BHD") >= 1_000
    swept = Transfer.objects.filter(kind="fee_settlement").count()
    post(TransferFunds(payer, register(0, BHD), BHD, 100_000, Details()))
    assert settling(3600).do(lambda: False) == {}
    assert Transfer.objects.filter(kind="fee_settlement").count() == swept


def test_what_stops_stops_after_a_batch_that_stays(ledger: None) -> None:
    del ledger
    made = make_keys([unique("key") for _ in range(600)], at=timezone.now() - timedelta(days=9), owner="stop")
    with pytest.raises(_Stopped):
        purging(60).do(lambda: True)
    assert 0 < IdempotencyClaim.objects.filter(id__in=[record.id for record in made]).count() <= 100
    purging(60).do(lambda: False)
    assert not IdempotencyRecord.objects.filter(owner="stop").exists()
    _unless(lambda: False)(1)


def test_web_processes_leave_it_to_the_worker_where_they_are_told_so(ledger: None) -> None:
    del ledger
    assert settings.LEDGER_PERIODIC == "web"
    code = (
        "import asyncio, json, django; django.setup()\n"
        "from django.conf import settings\n"
        "from transfers.upkeep import periodic\n"
        "async def names():\n"
        "    await periodic.start()\n"
        "    found = sorted(task.get_name() for task in periodic._tasks)\n"
        "    await periodic.stop()\n"
        "    return found\n"
        "found = {settings.LEDGER_PERIODIC: asyncio.run(names())}\n"
        "settings.LEDGER_PERIODIC = 'web'\n"
        "print(json.dumps(found | {'web': asyncio.run(names())}))\n"
    )
    env = environment(LEDGER_PERIODIC="worker", DJANGO_SETTINGS_MODULE="ledger_project.settings")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    wanted = {"web": ["approvals", "holds", "invitations", "mark", "pools", "receipts", "rollups"], "worker": ["mark", "pools"]}
    assert json.loads(done.stdout) == wanted


def test_a_mode_that_does_not_exist_is_told_in_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=environment(LEDGER_PERIODIC="cron"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "LEDGER_PERIODIC is 'cron'; it is 'web' or 'worker'" in done.stderr
    assert "Traceback" not in done.stderr


def test_commands_run_where_no_server_has_made_the_folder_of_metrics(tmp_path: Path) -> None:
    """As in the containers that migrate and work: the image names the folder, only serving makes it."""
    env = environment(PROMETHEUS_MULTIPROC_DIR=str(tmp_path / "none" / "yet"))
    done = subprocess.run([sys.executable, "manage.py", "check"], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_it_tells_its_figures_to_prometheus_where_it_is_asked_to_and_nothing_else(ledger: None) -> None:
    del ledger
    port = free_port()
    with worker(*QUIET, "--metrics", f"127.0.0.1:{port}"):
        address = f"http://127.0.0.1:{port}"
        answer = httpx.get(f"{address}/metrics", timeout=30)
        assert answer.status_code == 200
        assert "ledger_feed_lag_seconds" in answer.text
        assert [httpx.get(f"{address}/transfers", timeout=30).status_code, httpx.post(f"{address}/metrics", timeout=30).status_code] == [
            404,
            404,
        ]
        with socket.create_connection(("127.0.0.1", port), timeout=30) as rude:
            rude.sendall(b"GET /" + b"x" * 20_000)
            while rude.recv(1000):
                pass
        assert httpx.get(f"{address}/metrics", timeout=30).status_code == 200


@pytest.mark.parametrize("address", ["127.0.0.1:port", "9100x", "127.0.0.1:99999"])
def test_an_address_that_is_none_is_told(address: str) -> None:
    done = run_command(database_url(), "run_periodic", "--metrics", address)
    assert done.code == 2
    assert "--metrics: the port is" in done.err
