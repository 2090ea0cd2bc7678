"""A database that lost its newest rows, as after a failover to a standby that was behind: no process goes on by what it remembers."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
from django.db import connections

from ledger_project.database import lost_rows as forgetting
from tests.operations.stories import raw_connection
from tests.support.factories import balance_minor, key, merchant, transfer, unique, wallet
from tests.support.service_role import owner_connection


def lose(*names: str, merchants: bool = True) -> None:
    """Take merchants and their accounts, which hold nothing, out of the database, as if their transactions had never come to it."""
    with owner_connection() as owner:
        owner.execute("SET session_replication_role = replica")
        ids = [row[0] for row in owner.execute("SELECT id FROM merchants_merchant WHERE name = ANY(%s)", [list(names)]).fetchall()]
        owner.execute("DELETE FROM merchants_account WHERE merchant_id = ANY(%s)", [ids])
        if merchants:
            owner.execute("DELETE FROM merchants_merchant WHERE id = ANY(%s)", [ids])


async def pair(api: httpx.AsyncClient) -> tuple[str, str]:
    """Two merchants without money that this process knows well: by name, by account, and from a posting that was refused."""
    source, target = await merchant(api), await merchant(api)
    for name in (source, target):
        await open_wallet(api, name)
    assert (await transfer(api, source, target, 100)).json()["code"] == "insufficient_funds"
    return source, target


async def open_wallet(api: httpx.AsyncClient, name: str) -> str:
    """Open a merchant's wallet and return its id."""
    answer = await api.post(f"/merchants/{name}/accounts", json={"currency": "USD"}, headers=key())
    assert answer.status_code == 201, answer.text
    return await wallet(api, name)


async def test_a_lost_payer_is_not_found_rather_than_short_of_money(api: httpx.AsyncClient) -> None:
    source, target = await pair(api)
    lose(source, target)
    for _ in range(2):
        answer = await transfer(api, source, target, 100)
        assert (answer.status_code, answer.json()["code"]) == (404, "merchant_not_found"), answer.text


async def test_who_was_lost_and_registered_again_is_somebody_new(api: httpx.AsyncClient) -> None:
    """By another process: this one remembers the lost one's id."""
    source, target = await pair(api)
    lose(source, target)
    with raw_connection() as other:
        for name in (source, target):
            other.execute(
                "INSERT INTO merchants_merchant (id, name, status, metadata, created_at) VALUES (%s, %s, 'active', '{}', now())",
                [uuid4(), name],
            )
    forgotten = await transfer(api, source, target, 100)
    assert forgotten.json()["code"] == "insufficient_funds"
    response = await api.post(f"/accounts/{await open_wallet(api, source)}/deposit", json={"amount": "5.00"}, headers=key())
    assert response.status_code == 200, response.text
    assert (await transfer(api, source, target, 100)).status_code == 201
    assert await balance_minor(api, target) == 100


async def test_an_account_that_was_lost_alone_is_opened_anew(api: httpx.AsyncClient) -> None:
    _, target = await pair(api)
    source = await merchant(api, "10")
    lose(target, merchants=False)
    assert (await transfer(api, source, target, 50)).status_code == 201
    assert await balance_minor(api, target) == 50


@pytest.fixture
def every_connection_lost() -> Iterator[None]:
    """Leave this thread no connection that a test has ended."""
    yield
    connections.close_all()


async def test_after_a_lost_connection_a_read_looks_up_anew(api: httpx.AsyncClient, every_connection_lost: None) -> None:
    del every_connection_lost
    source, target = await pair(api)
    account = await wallet(api, source)
    lose(source, target)
    with owner_connection() as owner:
        owner.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    for _ in range(2):
        assert (await api.get(f"/merchants/{source}/balance")).status_code == 404
        assert (await api.get(f"/merchants/{source}")).status_code == 404
        assert (await api.get(f"/accounts/{account}/statement")).status_code == 404


async def test_a_batch_with_somebody_who_was_lost_fails_nobody_else(api: httpx.AsyncClient) -> None:
    source, target = await merchant(api, "10"), await merchant(api)
    # Connections that the test before has ended may be noticed at any moment: also before the batch, which then knows nothing to forget.
    before = forgetting.generation()
    gone, _ = await pair(api)
    lose(gone)
    items = [
        {"from_merchant": source, "to_merchant": name, "currency": "USD", "amount_minor": 1, "idempotency_key": unique("key")}
        for name in (target, gone)
    ]
    answer = await api.post("/transfers/batch", json={"transfers": items}, headers=key())
    assert answer.status_code == 200, answer.text
    assert [item["status"] for item in answer.json()["results"]] == [201, 404]
    assert await balance_minor(api, target) == 1
    assert forgetting.generation() > before
