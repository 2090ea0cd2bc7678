"""Nothing is posted by a clock that cannot be right, and a time in the future does not spread."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import httpx
import pytest

from ledger_project.checks import check_settings
from ledger_project.observability import metrics
from tests.support.factories import balance_minor, key, merchant, transfer, wallet
from tests.support.service_role import owner_connection
from transfers.posting import sql


def test_a_tolerance_beyond_what_the_database_takes_is_told_at_the_start(settings: Any) -> None:
    settings.LEDGER_CLOCK_TOLERANCE = 10.0
    assert [error.id for error in check_settings(None)] == ["ledger.E020"]


def refused(of: str) -> float:
    return metrics.CLOCK_REFUSALS.labels(of)._value.get()


@pytest.mark.parametrize("off", ["1 day", "6 seconds", "-6 seconds", "-1 day"])
async def test_nothing_is_posted_while_the_clocks_differ(api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, off: str) -> None:
    payer, payee, headers = await merchant(api, "10.00"), await merchant(api), key()
    before = refused("database")
    with monkeypatch.context() as wrong:
        wrong.setattr(sql, "CLOCK", sql.CLOCK.replace("clock_timestamp()", f"clock_timestamp() + interval '{off}'"))
        answer = await transfer(api, payer, payee, 100, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable"), answer.text
    assert "clocks" in answer.json()["detail"]
    assert int(answer.headers["Retry-After"]) > 0
    assert refused("database") > before
    assert await balance_minor(api, payer) == 1000
    assert (await transfer(api, payer, payee, 100, headers=headers)).status_code == 201


async def test_clocks_that_differ_a_little_do_no_harm(api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    payer, payee = await merchant(api, "10.00"), await merchant(api)
    with monkeypatch.context() as wrong:
        wrong.setattr(sql, "CLOCK", sql.CLOCK.replace("clock_timestamp()", "clock_timestamp() + interval '3 seconds'"))
        assert (await transfer(api, payer, payee, 100)).status_code == 201
    # The right clock is behind these accounts' last entries now; their time goes on from there.
    answers = [await transfer(api, payer, payee, 100) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201] * 3
    times = await entry_times(api, payee)
    assert all(earlier < later for earlier, later in pairwise(times))


async def entry_times(api: httpx.AsyncClient, name: str) -> list[tuple[str, str]]:
    """Return the time and transfer of each of a wallet's postings, in the order of its sequence."""
    account = await wallet(api, name)
    with owner_connection() as raw:
        rows = raw.execute(
            "SELECT DISTINCT ON (created_at, transfer_id) created_at, transfer_id, sequence FROM transfers_ledgerentry "
            "WHERE account_id = %s ORDER BY created_at, transfer_id, sequence",
            [account],
        ).fetchall()
    return [(str(at), str(transfer_id)) for at, transfer_id, _ in sorted(rows, key=lambda row: row[2])]


@asynccontextmanager
async def ahead(api: httpx.AsyncClient, name: str) -> AsyncIterator[None]:
    """Have a merchant's last posting be of tomorrow, as one that was made by a wrong clock; its own time again at the end."""
    account = await wallet(api, name)

    def move(days: int) -> None:
        with owner_connection() as raw:
            raw.execute("SET LOCAL session_replication_role = replica")
            raw.execute(
                "UPDATE transfers_ledgerentry SET created_at = created_at + %s * interval '1 day' WHERE transfer_id = "
                "(SELECT transfer_id FROM transfers_ledgerentry WHERE account_id = %s ORDER BY sequence DESC LIMIT 1)",
                [days, account],
            )

    await asyncio.to_thread(move, 1)
    try:
        yield
    finally:
        await asyncio.to_thread(move, -1)


async def test_an_account_that_is_ahead_is_refused_alone(api: httpx.AsyncClient) -> None:
    poisoned, payer, payee = await merchant(api, "10.00"), await merchant(api, "10.00"), await merchant(api)
    headers = key()
    before = refused("account")
    async with ahead(api, poisoned):
        answers = await asyncio.gather(
            transfer(api, payer, payee, 100),
            transfer(api, payer, poisoned, 100, headers=headers),
            transfer(api, poisoned, payee, 100),
            transfer(api, payer, payee, 100),
        )
    assert [answer.status_code for answer in answers] == [201, 503, 503, 201]
    assert answers[1].json()["code"] == "database_unavailable"
    assert int(answers[1].headers["Retry-After"]) > 0
    assert refused("account") == before + 2
    # Its key stayed free: the same request is posted when the account is well.
    assert (await transfer(api, payer, poisoned, 100, headers=headers)).status_code == 201
    assert await balance_minor(api, payee) == 200


@pytest.mark.parametrize("atomic", [False, True])
async def test_in_a_batch_too(api: httpx.AsyncClient, atomic: bool) -> None:
    poisoned, payer, payee = await merchant(api, "10.00"), await merchant(api, "10.00"), await merchant(api)
    items: list[dict[str, Any]] = [
        {
            "idempotency_key": f"clock-{poisoned}-{target}",
            "from_merchant": payer,
            "to_merchant": target,
            "currency": "USD",
            "amount": "1.00",
        }
        for target in (payee, poisoned)
    ]
    headers = key()
    async with ahead(api, poisoned):
        answer = await api.post("/transfers/batch", json={"transfers": items, "atomic": atomic}, headers=headers)
    if atomic:
        assert (answer.status_code, answer.json()["index"]) == (503, 1)
        assert await balance_minor(api, payee) == 0
        answer = await api.post("/transfers/batch", json={"transfers": items, "atomic": atomic}, headers=headers)
        assert [item["status"] for item in answer.json()["results"]] == [201, 201]
    else:
        assert [item["status"] for item in answer.json()["results"]] == [201, 503]
        single = json.loads(json.dumps(items[1]))
        headers = {"Idempotency-Key": single.pop("idempotency_key")}
        assert (await api.post("/transfers", json=single, headers=headers)).status_code == 201


async def test_ids_and_times_follow_the_sequence_of_a_busy_account(api: httpx.AsyncClient) -> None:
    payers, payee = [await merchant(api, "10.00") for _ in range(4)], await merchant(api)
    answers = await asyncio.gather(*(transfer(api, payers[number % 4], payee, 1) for number in range(60)))
    assert {answer.status_code for answer in answers} == {201}
    postings = await entry_times(api, payee)
    assert len(postings) == 60
    assert all(earlier[0] < later[0] and earlier[1] < later[1] for earlier, later in pairwise(postings))
