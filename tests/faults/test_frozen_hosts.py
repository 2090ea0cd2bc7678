"""A process that freezes in the middle of a posting holds its locks for a while, and then others go on."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.db import connection, transaction

from ledger_project.database.connections import serve_with_limits
from ledger_project.database.durability import Severity, examine_database, judge_settings
from ledger_project.database.sqlstates import LOST, meaning_of
from merchants.models import Account
from tests.operations.stories import raw_connection, register
from tests.operations.test_commands import SAFE
from tests.support.factories import balance_minor, key, merchant, transfer
from tests.support.servers import Service
from transfers.posting import sql
from transfers.posting.pipeline import Session
from transfers.posting.transaction import _limits

HOLDS_LOCKS = "SELECT state FROM pg_stat_activity WHERE application_name = %s AND backend_xid IS NOT NULL"


def _freeze_while_it_holds_locks(service: Service) -> None:
    """Stop the worker at a moment at which its posting is under way; let it go on and try again until that is so."""
    (worker,) = service.worker_pids()
    with raw_connection() as raw:
        raw.autocommit = True
        while True:
            os.kill(worker, signal.SIGSTOP)
            # What it has sent is worked on still; then its session waits for it.
            for _ in range(3):
                if raw.execute(HOLDS_LOCKS + " AND wait_event = 'ClientRead'", [service.application_name]).fetchall():
                    return
            os.kill(worker, signal.SIGCONT)
            time.sleep(random.uniform(0, 0.03))  # on a busy machine it would hardly go on otherwise


async def test_others_go_on_when_a_worker_is_frozen(serve: Callable[..., Service], api: httpx.AsyncClient) -> None:
    service = serve(env={"LEDGER_IDLE_TRANSACTION_TIMEOUT": "0.5", "LEDGER_POSTING_TIMEOUT": "6", "LEDGER_PERIODIC": "worker"})
    source, target = await merchant(api, "1000"), await merchant(api)
    body = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount_minor": 1}
    (worker,) = service.worker_pids()
    async with httpx.AsyncClient(base_url=service.base_url, timeout=30) as client:

        async def pay() -> None:
            while True:
                await client.post("/transfers", json=body, headers=key())

        load = asyncio.create_task(pay())
        try:
            await asyncio.to_thread(_freeze_while_it_holds_locks, service)
            began = time.monotonic()
            while (answer := await transfer(api, source, target, 1)).status_code == 503:
                assert time.monotonic() - began < 30, "its locks stay"
            assert answer.status_code == 201
        finally:
            os.kill(worker, signal.SIGCONT)
            load.cancel()
        # Back again, it works: what it had begun was taken back, and its caller is told so.
        assert (await client.post("/transfers", json=body, headers=key())).status_code == 201
    assert await balance_minor(api, target) > 0


@pytest.mark.parametrize("inside_a_round_trip", [False, True])
def test_the_database_ends_the_session_of_who_says_nothing_more(
    posting_thread: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch, inside_a_round_trip: bool
) -> None:
    """Between two round trips, and in the middle of one: there the session is active, and waits for its client all the same."""
    if inside_a_round_trip and connection.pg_version < 170_000:
        pytest.skip("PostgreSQL 15 and 16 have no transaction_timeout; there the limits of the connection itself have to do")
    monkeypatch.setattr(settings, "LEDGER_IDLE_TRANSACTION_TIMEOUT", 0.3)
    monkeypatch.setattr(settings, "LEDGER_POSTING_TIMEOUT", 0.6)
    account = Account.objects.get(merchant_id=register(100).id, kind="wallet").id
    frozen, thaw = threading.Event(), threading.Event()

    def freeze() -> None:
        with transaction.atomic():
            session = Session()
            with session.round_trip():
                session.send(sql.BEGIN_POSTING, ["5s", *_limits()])
            with session.round_trip():
                session.send("SELECT id FROM merchants_account WHERE id = %s::uuid FOR UPDATE", [account])
                if inside_a_round_trip:
                    session.push()
                    frozen.set()
                    thaw.wait(60)
            frozen.set()
            thaw.wait(60)
            session.send("SELECT 1")

    future = posting_thread.submit(freeze)
    frozen.wait(60)
    try:
        with raw_connection() as other:
            other.execute("SET lock_timeout = '30s'")
            other.execute("SELECT id FROM merchants_account WHERE id = %s FOR UPDATE", [account])
    finally:
        thaw.set()
    error = future.exception(60)
    assert error is not None
    assert meaning_of(error) is LOST, repr(error)


def test_the_server_watches_the_connection_too(posting_thread: ThreadPoolExecutor) -> None:
    def ask() -> dict[str, Any]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT name, setting FROM pg_settings WHERE name ~ '^tcp_|^client_connection'")
            return dict(cursor.fetchall())

    shown = posting_thread.submit(ask).result()
    assert shown["client_connection_check_interval"] == "5000"
    over_tcp = not str(connection.settings_dict["HOST"]).startswith("/")
    assert (int(shown["tcp_keepalives_idle"]) > 0) == over_tcp  # PostgreSQL says 0 for a Unix socket, which needs none


def test_check_database_says_what_keeps_locks_for_ever() -> None:
    found = {
        v.name: v.severity for v in judge_settings(SAFE | {"idle_in_transaction_session_timeout": "0", "server_version_num": "160004"})
    }
    assert found["idle_in_transaction_session_timeout"] is Severity.ADVICE
    assert found["transaction_timeout"] is Severity.ADVICE
    assert {"transaction_timeout", "tcp_keepalives_idle"} <= {verdict.name for verdict in examine_database()}


async def test_a_process_that_serves_callers_waits_for_nothing_for_ever(posting_thread: ThreadPoolExecutor) -> None:
    await serve_with_limits()

    def shown() -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting(n) FROM unnest(%s::text[]) AS n", [LIMITS])
            return [row[0] for row in cursor.fetchall()]

    assert posting_thread.submit(shown).result() == ["30s", "5s", "10s"]


LIMITS = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"]
