"""A freeze is write, then barrier: when it has returned, nothing moves, and who dies half-way leaves a right state."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from django.db import transaction

from ledger_project.database.readers import in_reader
from ledger_project.kernel.errors import AccountBusy
from merchants.domain import Status
from merchants.models import Merchant
from merchants.services import set_account_status, set_merchant_status
from tests.concurrency.test_busy_locks import LOCK_ACCOUNT, LOCK_MERCHANT, held
from tests.environment import ROOT
from tests.support.factories import balance_minor, key, merchant, transfer, wallet
from tests.support.servers import Service, database_url
from tests.support.waiting import until
from transfers.services.merchant_closure import close_merchant

ENTRIES = """
SELECT count(*) FROM transfers_ledgerentry e JOIN merchants_account a ON a.id = e.account_id JOIN merchants_merchant m ON m.id = a.merchant_id
WHERE m.name = %s
"""
# An id has the merchant's bucket in its last bits, as that of the other account.
OPEN_ACCOUNT = """
INSERT INTO merchants_account (id, merchant_id, currency_id, kind, status, overdraft_limit_minor, created_at)
SELECT (left(gen_random_uuid()::text, 8) || substr(id::text, 9))::uuid, merchant_id, currency_id, 'fees', 'active', 0, now() FROM merchants_account WHERE id = %s
"""
WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'merchants_account.*FOR UPDATE'
"""


def _id(name: str) -> UUID:
    return Merchant.objects.get(name=name).id


def _status(name: str) -> str:
    return Merchant.objects.get(name=name).status


def _asked(statement: str, *parameters: object) -> Any:
    with psycopg.connect(database_url(), autocommit=True) as raw:
        row = raw.execute(statement, parameters).fetchone()
        return None if row is None else row[0]


def _wait_for_waiter(pid: int) -> None:
    """Return when a session waits for a lock of that one."""
    _wait_until(lambda: _asked("SELECT 1 FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))", pid))


def _wait_until(is_so: Callable[[], object]) -> None:
    until(is_so, "it never came to be so")


async def test_when_a_freeze_has_returned_no_posting_follows(service: Service) -> None:
    """Two workers post for a merchant all the while; between the freeze's answer and the end not one entry is added."""
    async with httpx.AsyncClient(base_url=service.base_url, limits=httpx.Limits(max_connections=40), timeout=30) as http:
        for _ in range(3):
            name, other = await merchant(http, "1000"), await merchant(http, "1000")
            is_over, posted = asyncio.Event(), asyncio.Event()
            codes: set[str] = set()

            async def insist(source: str, target: str, is_over: asyncio.Event, posted: asyncio.Event, codes: set[str]) -> None:
                while not is_over.is_set():
                    answer = await transfer(http, source, target, 1)
                    codes.add(str(answer.json().get("code")))
                    posted.set()

            pairs = [(name, other), (other, name)] * 10
            insisting = [asyncio.create_task(insist(*pair, is_over, posted, codes)) for pair in pairs]
            await posted.wait()
            frozen = await http.post(f"/merchants/{name}/freeze", json={"reason": "storm"})
            counted = await in_reader(_asked, ENTRIES, name)
            refused = await transfer(http, other, name, 1)
            is_over.set()
            await asyncio.gather(*insisting)
            assert (frozen.status_code, frozen.json()["status"], refused.json()["code"]) == (200, "frozen", "account_frozen")
            assert await in_reader(_asked, ENTRIES, name) == counted
            assert codes == {"None", "account_frozen"}


async def test_a_posting_that_began_before_is_waited_for_and_a_later_one_is_refused_meanwhile(api: httpx.AsyncClient) -> None:
    name, other = await merchant(api, "100"), await merchant(api, "100")
    await api.post(f"/merchants/{name}/accounts", json={"currency": "EUR"}, headers=key())
    merchant_id, account_id = await in_reader(_id, name), await wallet(api, name)
    with held(LOCK_ACCOUNT, account_id) as before:
        freezing = asyncio.ensure_future(in_reader(set_merchant_status, merchant_id, Status.FROZEN))
        await in_reader(_wait_for_waiter, before.info.backend_pid)
        assert await in_reader(_status, name) == "frozen", "it is written before anything is waited for"
        # The freeze waits for the wallet in USD, and holds up nobody who needs another account.
        in_euro = await transfer(api, name, other, 1, currency="EUR")
        assert (in_euro.status_code, in_euro.json()["code"]) == (409, "account_frozen")
        assert not freezing.done()
    assert await freezing is True
    assert (await transfer(api, name, other, 1)).json()["code"] == "account_frozen"


async def test_a_first_posting_that_began_before_is_waited_for(api: httpx.AsyncClient) -> None:
    """It has no account to lock, so it has locked the merchant."""
    name = await merchant(api)
    merchant_id = await in_reader(_id, name)
    with held(LOCK_MERCHANT.replace("FOR UPDATE", "FOR SHARE"), name) as before:
        freezing = asyncio.ensure_future(in_reader(set_merchant_status, merchant_id, Status.FROZEN))
        await in_reader(_wait_for_waiter, before.info.backend_pid)
        assert await in_reader(_status, name) == "active"
        assert not freezing.done()
    assert await freezing is True


async def test_a_freeze_that_does_not_get_a_lock_says_what_is_true(api: httpx.AsyncClient, settings: Any) -> None:
    settings.LEDGER_IDEMPOTENCY_WAIT = 0.1
    name, headers = await merchant(api, "100"), key()
    merchant_id, account_id = await in_reader(_id, name), await wallet(api, name)
    with held(LOCK_ACCOUNT, account_id):
        for _ in range(2):  # the second one finds it frozen, and waits as the first one does
            with pytest.raises(AccountBusy, match="The status is written"):
                await in_reader(set_merchant_status, merchant_id, Status.FROZEN)
        for _ in range(2):  # the second one finds the answer under its key, and waits too
            answer = await api.post(f"/merchants/{name}/freeze", json={"reason": "now"}, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (503, "account_busy")
            assert "The status is written" in answer.json()["detail"]
        assert await in_reader(_status, name) == "frozen"
        thaw = await api.post(f"/merchants/{name}/unfreeze", json={"reason": "an end needs no barrier"})
        assert (thaw.status_code, thaw.json()["status"]) == (200, "active")
    answer = await api.post(f"/merchants/{name}/freeze", json={"reason": "now"}, headers=headers)
    assert (answer.status_code, answer.headers["Idempotent-Replayed"]) == (200, "true")


async def test_a_freeze_whose_merchant_is_locked_wrote_nothing(api: httpx.AsyncClient, settings: Any) -> None:
    settings.LEDGER_IDEMPOTENCY_WAIT = 0.1
    name = await merchant(api)
    merchant_id = await in_reader(_id, name)
    with held(LOCK_MERCHANT, name), pytest.raises(AccountBusy, match="nothing happened"):
        await in_reader(set_merchant_status, merchant_id, Status.FROZEN)
    assert await in_reader(_status, name) == "active"


FREEZE = """
import sys, uuid, django
django.setup()
from merchants.domain import Status
from merchants.services import set_merchant_status
set_merchant_status(uuid.UUID(sys.argv[1]), Status.FROZEN)
"""


async def test_a_freezer_killed_between_write_and_barrier_leaves_the_merchant_frozen(api: httpx.AsyncClient) -> None:
    name, other = await merchant(api, "100"), await merchant(api, "100")
    merchant_id, account_id = await in_reader(_id, name), await wallet(api, name)
    environment = {**os.environ, "DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "ledger_project.settings"}
    with held(LOCK_ACCOUNT, account_id) as before:
        killed = await asyncio.create_subprocess_exec(sys.executable, "-c", FREEZE, str(merchant_id), cwd=ROOT, env=environment)
        await in_reader(_wait_for_waiter, before.info.backend_pid)
        killed.send_signal(signal.SIGKILL)
        assert await killed.wait() == -signal.SIGKILL
        assert await in_reader(_status, name) == "frozen"
        again = asyncio.ensure_future(in_reader(set_merchant_status, merchant_id, Status.FROZEN))
        await in_reader(_wait_until, lambda: _asked(WAITING) == 2)  # the dead one's session waits on, the other one behind it
        assert not again.done()
    assert await again is False
    assert (await transfer(api, other, name, 1)).json()["code"] == "account_frozen"
    assert await balance_minor(api, name) == 10_000


@pytest.mark.parametrize("change", [close_merchant, lambda merchant_id: set_merchant_status(merchant_id, Status.FROZEN)])
async def test_a_posting_that_opens_an_account_and_a_change_of_state_do_not_wait_in_a_circle(
    api: httpx.AsyncClient, change: Callable[[UUID], bool]
) -> None:
    """The posting holds the wallet, the change waits for it; then the new account's foreign key reads the merchant's row."""
    name = await merchant(api)
    account_id = (await api.post(f"/merchants/{name}/accounts", json={"currency": "USD"}, headers=key())).json()["id"]
    merchant_id = await in_reader(_id, name)
    with psycopg.connect(database_url()) as posting:
        posting.execute(LOCK_ACCOUNT, [account_id])
        changing = asyncio.ensure_future(in_reader(change, merchant_id))
        await in_reader(_wait_for_waiter, posting.info.backend_pid)
        posting.execute("SET LOCAL lock_timeout = '500ms'")
        await in_reader(posting.execute, OPEN_ACCOUNT, [account_id])
        await in_reader(posting.commit)
    if change is close_merchant:
        with pytest.raises(AccountBusy, match="nothing happened"):  # the new account was not locked
            await changing
        assert await in_reader(close_merchant, merchant_id) is True
    else:
        assert await changing is True


async def test_the_status_of_an_account_is_its_own_barrier(api: httpx.AsyncClient) -> None:
    name, other = await merchant(api, "100"), await merchant(api, "100")
    account_id = UUID(await wallet(api, name))
    with held(LOCK_ACCOUNT, account_id) as before:
        freezing = asyncio.ensure_future(in_reader(set_account_status, account_id, Status.FROZEN))
        await in_reader(_wait_for_waiter, before.info.backend_pid)
        assert not freezing.done()
    assert await freezing is True
    assert (await transfer(api, other, name, 1)).json()["code"] == "account_frozen"


async def test_a_freeze_inside_a_transaction_waits_after_its_commit_and_not_at_all_after_a_rollback(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "100")
    merchant_id, account_id = await in_reader(_id, name), await wallet(api, name)

    def freeze_and_roll_back() -> None:
        with transaction.atomic():
            set_merchant_status(merchant_id, Status.FROZEN)
            transaction.set_rollback(True)

    with held(LOCK_ACCOUNT, account_id):
        await asyncio.wait_for(in_reader(freeze_and_roll_back), 5)
    assert await in_reader(_status, name) == "active"
