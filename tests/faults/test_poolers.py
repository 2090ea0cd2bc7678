"""Behind PgBouncer: the service works in session mode, and says that it does not in transaction mode, before anything fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, connections

from ledger_project.database.embedded import EmbeddedPostgres
from ledger_project.database.fields import new_id
from ledger_project.database.lost_rows import forget_all
from ledger_project.database.poolers import REFUSAL, refused_pooler
from ledger_project.database.prepared import name_of
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import MerchantIdentity
from tests.environment import ROOT
from tests.support.factories import unique
from tests.support.servers import free_port
from transfers.domain.commands import Deposit, Details, RegisterMerchant
from transfers.posting.synchronous import post_now

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
USD = CurrencyUnit("USD", 2)

needs_pgbouncer = pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed (Debian: apt-get install pgbouncer)")


@contextmanager
def pooler(mode: str) -> Iterator[int]:
    """Run a PgBouncer in front of the test database, and give its port."""
    assert PGBOUNCER is not None
    values, port = connection.settings_dict, free_port()
    server = EmbeddedPostgres(settings.LEDGER_DATA_DIR)
    identity = {"user": server.owner.uid, "group": server.owner.gid, "extra_groups": []} if server.owner else {}
    file = server.home / f"pgbouncer-{port}.ini"
    address = " ".join(f"{name}={values[key]}" for name, key in (("host", "HOST"), ("port", "PORT"), ("user", "USER")) if values[key])
    file.write_text(
        f"[databases]\npooled = {address} dbname={values['NAME']}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n"
        "ignore_startup_parameters = extra_float_digits\n"
    )
    process = subprocess.Popen([PGBOUNCER, "-q", str(file)], stderr=subprocess.DEVNULL, **identity)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(host="127.0.0.1", port=port, user="postgres", dbname="pooled", sslmode="disable").close()
                break
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "PgBouncer does not answer"
                time.sleep(0.01)
        yield port
    finally:
        process.terminate()
        process.wait()
        file.unlink()


def go_through(port: int) -> None:
    """Have this thread's own connection be through the pooler."""
    connections["default"].settings_dict |= {"HOST": "127.0.0.1", "PORT": str(port), "USER": "postgres", "NAME": "pooled"}
    forget_all()


def deposits(count: int) -> None:
    merchant = MerchantIdentity(new_id(), unique())
    post_now([RegisterMerchant(merchant, {}, USD, 100, Details())])
    for _ in range(count):
        (result,) = post_now([Deposit(merchant, USD, 100, Details())])
        assert result.transfer_id is not None


@needs_pgbouncer
def test_session_mode_works(posting_thread: ThreadPoolExecutor) -> None:
    with pooler("session") as port:
        posting_thread.submit(go_through, port).result()
        assert posting_thread.submit(refused_pooler).result() is None
        posting_thread.submit(deposits, 3).result()
        posting_thread.submit(connections.close_all).result()
    forget_all()


@needs_pgbouncer
def test_transaction_mode_is_refused_wherever_something_starts(posting_thread: ThreadPoolExecutor) -> None:
    with pooler("transaction") as port:
        environment = {**os.environ, "DATABASE_URL": f"postgresql://postgres@127.0.0.1:{port}/pooled", "SECRET_KEY": "x"}
        command = [sys.executable, "-m", "uvicorn", "ledger_project.asgi:application", "--lifespan", "on", "--port", str(free_port())]
        web = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE)
        posting_thread.submit(go_through, port).result()
        for _ in range(20):
            assert posting_thread.submit(refused_pooler).result() == REFUSAL

        def run_worker() -> None:
            call_command("run_periodic")

        with pytest.raises(CommandError, match="transaction mode"):
            posting_thread.submit(run_worker).result()
        _, said = web.communicate(timeout=60)
        assert web.returncode != 0
        assert b"session mode" in said
        posting_thread.submit(connections.close_all).result()
    forget_all()


def test_a_statement_has_one_name_in_all_processes_and_another_one_for_another_text() -> None:
    assert name_of("SELECT %s") == name_of("SELECT " + "%s") != name_of("SELECT %s ")
    assert len(name_of("SELECT %s")) < 64, "PostgreSQL cuts longer names off"
