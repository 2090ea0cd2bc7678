"""What readers of the feed see while postings commit late and clocks go wrong: all of it once, in order, nothing put in behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from django.db import connection, connections

from ledger_project.kernel.money import CurrencyUnit
from ledger_project.observability import metrics
from merchants.domain import MerchantIdentity
from merchants.selectors import identify
from tests.api.test_events import Json, feed, now_on
from tests.support.factories import key, merchant, transfer, unique
from tests.support.servers import Service
from tests.support.service_role import owner_connection
from tests.support.waiting import until
from transfers.domain.commands import Details, TransferFunds
from transfers.figures.differences import figure_differences
from transfers.figures.refresh import refresh_figures
from transfers.models import FiguresMark
from transfers.posting import sql
from transfers.posting.jobs import Item, Job
from transfers.posting.pipeline import Session
from transfers.posting.synchronous import bare
from transfers.posting.transaction import post
from transfers.services.mark_ahead import take_mark_back

USD = CurrencyUnit("USD", 2)


@contextlib.asynccontextmanager
async def reading(api: httpx.AsyncClient) -> AsyncIterator[list[Json]]:
    """Read on, again and again, from now until a moment after the block: everything that happened in it is in the list then."""
    found: list[Json] = []
    after = await now_on(api)
    done: datetime | None = None

    async def read_on() -> None:
        nonlocal after
        while True:
            page = await feed(api, after=after, limit=7)
            found.extend(page["items"])
            after = page["next_after"]
            if done is not None and not page["items"] and datetime.fromisoformat(page["settled_until"]) > done:
                return
            await asyncio.sleep(0.01)

    task = asyncio.create_task(read_on())
    try:
        yield found
        done = datetime.now(UTC)
        async with asyncio.timeout(60):
            await task
    finally:
        task.cancel()
    ids = [event["id"] for event in found]
    assert ids == sorted(set(ids)), "an event was put in behind, or shown twice"


def about(events: list[Json], *names: str) -> list[str]:
    """Return the ids of the events about these merchants: holds of other tests expire meanwhile."""
    return [event["id"] for event in events if any(f'"{name}"' in json.dumps(event["data"]) for name in names)]


async def identity(name: str) -> MerchantIdentity:
    found = (await identify(names=[name])).merchant(name)
    assert found is not None
    return found


async def in_thread(function: Callable[[], Any]) -> Any:
    def run() -> Any:
        try:
            return function()
        finally:
            connections.close_all()

    return await asyncio.to_thread(run)


async def test_a_posting_that_is_decided_early_and_commits_late_is_missed_by_nobody(api: httpx.AsyncClient) -> None:
    """It has read its time and waits for a lock in the middle of its writes, while others post and commit."""
    slow, payee, quick, other = [await merchant(api, "100.00") for _ in range(4)]
    command = TransferFunds(await identity(slow), await identity(payee), USD, 100, Details(external_reference=unique("ref")))

    def is_waiting() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'transfers_externalreference'::regclass")
            return cursor.fetchone() is not None

    async with reading(api) as found:
        with owner_connection() as raw:
            raw.execute("LOCK TABLE transfers_externalreference IN SHARE MODE")  # takes no transaction number
            posting = asyncio.create_task(in_thread(lambda: post([Job([Item(command, bare)])], lock_wait_s=20)))
            while not await in_thread(is_waiting):
                await asyncio.sleep(0.01)
            quick_ids = [(await transfer(api, quick, other, 100)).json()["id"] for _ in range(5)]
            await asyncio.sleep(0.6)  # the mark would move now, if it could
            assert not {event["id"] for event in found} & set(quick_ids)
            raw.rollback()
        (result,) = await posting
        assert result.outcome is not None
        assert result.outcome.transfer is not None
        late = str(result.outcome.transfer.id)
    assert late < min(quick_ids)
    assert about(found, slow, quick) == [late, *quick_ids]


async def test_a_posting_that_waits_for_an_accounts_lock_holds_up_and_is_missed_by_nobody(api: httpx.AsyncClient) -> None:
    payer, payee, other = [await merchant(api, "100.00") for _ in range(3)]
    wallet_id = (await api.get(f"/merchants/{payer}/balance", params={"currency": "USD"})).json()["balances"][0]["account_id"]
    async with reading(api) as found:
        with owner_connection() as raw:
            raw.execute("SELECT 1 FROM merchants_account WHERE id = %s FOR UPDATE", [wallet_id])
            waiting = asyncio.create_task(transfer(api, payer, payee, 100))
            await asyncio.sleep(0.2)
            made = [(await transfer(api, payee, other, 1)).json()["id"] for _ in range(3)]
            raw.rollback()
        answer = await waiting
        assert answer.status_code == 201, answer.text
    assert sorted([*made, answer.json()["id"]]) == about(found, payer, payee)


@pytest.mark.parametrize("offsets", [("0", "-3"), ("3", "0"), ("2", "-2", "1", "-1")])
async def test_clocks_that_are_set_back_between_postings_put_nothing_in_behind(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, offsets: tuple[str, ...]
) -> None:
    payer, payee, third = [await merchant(api, "100.00") for _ in range(3)]
    made = []
    async with reading(api) as found:
        for offset in offsets * 2:
            with monkeypatch.context() as wrong:
                wrong.setattr(sql, "CLOCK", sql.CLOCK.replace("clock_timestamp()", f"clock_timestamp() + interval '{offset} seconds'"))
                for pair in ((payer, payee), (payee, third), (third, payer)):
                    answer = await transfer(api, *pair, 1)
                    assert answer.status_code == 201, answer.text
                    made.append(answer.json()["id"])
            await asyncio.sleep(0.15)
        await asyncio.sleep(max(0, *map(int, offsets)))
    shown = [event for event in found if event["id"] in made]
    assert sorted(made) == [event["id"] for event in shown]
    sequences: dict[str, list[int]] = {}
    for event in shown:
        for entry in event["data"]["transfer"]["entries"]:
            sequences.setdefault(entry["account_id"], []).append(entry["sequence"])
    assert all(found == list(range(found[0], found[0] + len(found))) for found in sequences.values())


async def test_a_transaction_that_writes_elsewhere_makes_the_feed_late_and_the_metric_says_so(api: httpx.AsyncClient) -> None:
    payer, payee = await merchant(api, "10.00"), await merchant(api, "0.00")
    async with reading(api) as found:
        with owner_connection() as raw:
            raw.execute("SELECT pg_current_xact_id()")
            made = (await transfer(api, payer, payee, 1)).json()["id"]
            async with asyncio.timeout(30):
                while metrics.FEED_LAG._value.get() <= 1:
                    await asyncio.sleep(0.05)
            assert about(found, payer) == []
            assert b"ledger_feed_lag_seconds" in metrics.exposition()
            raw.rollback()
    assert about(found, payer) == [made]
    async with asyncio.timeout(30):
        while metrics.FEED_LAG._value.get() > 1.2:
            await asyncio.sleep(0.05)


async def test_a_posting_of_transfers_sends_no_statement_more_and_writes_no_row_more(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal is the feed: what is posted between wallets that are there is told by the rows that it has anyway."""
    payer, payee = await merchant(api, "10.00"), await merchant(api, "0.00")
    await transfer(api, payer, payee, 1)
    sent: list[str] = []
    send = Session.send

    def noting(self: Session, statement: str, *arguments: Any, **options: Any) -> Any:
        sent.append(statement)
        return send(self, statement, *arguments, **options)

    monkeypatch.setattr(Session, "send", noting)
    made = (await transfer(api, payer, payee, 1)).json()["id"]
    assert [statement.split()[0] for statement in sent].count("INSERT") == 4
    assert {sql.CLAIM_KEYS, sql.INSERT_TRANSFERS, sql.INSERT_ENTRIES} < set(sent)
    assert not [statement for statement in sent if "transfers_event" in statement or "UPDATE transfers_feedmark" in statement]
    assert [statement for statement in sent if "feedmark" in statement] == [sql.CLOCK]
    async with asyncio.timeout(30):
        while (await api.get(f"/events/{made}")).status_code != 200:
            await asyncio.sleep(0.01)


async def test_callers_who_wait_are_answered_when_another_process_posts(api: httpx.AsyncClient, service: Any) -> None:
    """Nothing is sent between processes: the mark of one is found by the other within a moment."""
    payer, payee = await merchant(api, "10.00"), await merchant(api, "0.00")
    after = await now_on(api)
    waiting = asyncio.create_task(feed(api, after=after, wait=20, merchant=payer))
    async with httpx.AsyncClient(base_url=service.base_url, timeout=30) as other:
        made = (await transfer(other, payer, payee, 1, headers=key())).json()["id"]
    assert [event["id"] for event in (await waiting)["items"]] == [made]


def sum_up() -> None:
    """Have everything that has happened until now in the daily figures."""
    now = datetime.now(UTC)

    def is_summed_up() -> bool:
        refresh_figures()
        return FiguresMark.objects.get().rolled_until > now

    until(is_summed_up, "the mark does not move", within_s=60)


def mark_is_at(moment: str) -> None:
    """Have the mark where a clock that was wrong for a while has taken it."""
    sum_up()
    connections.close_all()
    with owner_connection() as raw:
        raw.execute(
            f"UPDATE transfers_feedmark SET id = id + 1, candidate_until = {moment}, settled_until = {moment}, candidate_xid = NULL"
        )
        raw.execute(f"UPDATE transfers_rollupmark SET rolled_until = {moment}")


async def test_a_mark_that_a_wrong_clock_has_moved_into_the_future_is_taken_back(api: httpx.AsyncClient) -> None:
    payer, payee = await merchant(api, "10.00"), await merchant(api, "0.00")
    after = await now_on(api)
    await asyncio.to_thread(mark_is_at, "clock_timestamp() + interval '1 day'")
    headers = key()
    async with asyncio.timeout(60):
        while (answer := await transfer(api, payer, payee, 1, headers=headers)).status_code == 503:
            await asyncio.sleep(0.1)  # the periodic work of this process finds it
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert abs(datetime.fromisoformat(made["created_at"]) - datetime.now(UTC)) < timedelta(seconds=30)
    async with asyncio.timeout(60):
        while not about((page := await feed(api, after=after, merchant=payer))["items"], payer):
            await asyncio.sleep(0.05)
    assert about(page["items"], payer) == [made["id"]]
    assert datetime.fromisoformat(page["settled_until"]) < datetime.now(UTC) + timedelta(seconds=30)
    await asyncio.to_thread(take_back_again)


def take_back_again() -> None:
    try:
        assert not take_mark_back()
        sum_up()
        assert figure_differences() == []
    finally:
        connections.close_all()


async def test_a_wait_ends_when_the_service_is_stopping(serve: Callable[..., Service]) -> None:
    running = serve(workers=1)
    async with httpx.AsyncClient(base_url=running.base_url, timeout=30) as client:
        after = (await client.get("/events", params={"after": "latest"})).json()["next_after"]
        waiting = asyncio.create_task(client.get("/events", params={"after": after, "wait": 30, "types": "positions.settled"}))
        await asyncio.sleep(0.5)
        begun = time.monotonic()
        stopped = asyncio.create_task(asyncio.to_thread(running.stop))
        assert (await waiting).json()["items"] == []
        await stopped
        assert time.monotonic() - begun < 25


async def test_the_feed_is_settled_again_and_again_while_nothing_happens(api: httpx.AsyncClient) -> None:
    begun = datetime.now(UTC)
    moments: list[datetime] = []
    async with asyncio.timeout(60):
        while len(moments) < 4:
            moment = datetime.fromisoformat((await feed(api, after="latest"))["settled_until"])
            assert moments == [] or moment >= moments[-1], "the mark went back"
            if moments == [] or moment > moments[-1]:
                moments.append(moment)
            await asyncio.sleep(0.05)
    assert begun < moments[-1] < datetime.now(UTC)
