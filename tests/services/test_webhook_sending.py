"""Deliveries reach real receivers: at least once, in order where that is asked for, whatever the receivers do."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from django.db.models.functions import Now
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from events.models import Delivery, Webhook
from events.sending import client as client_module
from events.sending.sender import Sender
from events.services import deliveries as deliveries_module
from ledger_project.database.readers import in_reader
from tests.environment import ROOT
from tests.support.factories import merchant, transfer
from tests.support.receivers import DROP, HANG, OK, Received, Receiver, answer, receiving
from tests.support.servers import database_url
from transfers.models import Event


class Shop:
    """A payer and a payee, whose transfers are the events of a test."""

    def __init__(self, api: httpx.AsyncClient, payer: str, payee: str) -> None:
        self.api, self.payer, self.payee = api, payer, payee

    async def pay(self, times: int = 1) -> list[str]:
        """Post transfers one after the other; return their ids."""
        return [(await transfer(self.api, self.payer, self.payee, 1)).json()["id"] for _ in range(times)]

    async def webhook(self, receiver: Receiver, **extra: Any) -> dict[str, Any]:
        """Register a webhook of the platform's for transfers."""
        response = await self.api.post("/webhooks", json={"url": receiver.url, "types": ["transfer.posted"], **extra})
        assert response.status_code == 201, response.text
        made: dict[str, Any] = response.json()
        return made

    async def change(self, webhook: dict[str, Any], **values: Any) -> dict[str, Any]:
        response = await self.api.patch(f"/webhooks/{webhook['id']}", json=values)
        assert response.status_code == 200, response.text
        changed: dict[str, Any] = response.json()
        return changed

    async def deliveries(self, webhook: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
        """Return the deliveries of a webhook, oldest first."""
        response = await self.api.get(f"/webhooks/{webhook['id']}/deliveries", params={"limit": 200, **query})
        assert response.status_code == 200, response.text
        return list(reversed(response.json()["items"]))

    async def deliveries_when(self, webhook: dict[str, Any], condition: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """Return its deliveries as soon as they meet a condition: outcomes are recorded after the answer."""
        async with asyncio.timeout(60):
            while True:
                found = await self.deliveries(webhook)
                if condition(found):
                    return found
                await asyncio.sleep(0.02)

    async def status(self, webhook: dict[str, Any]) -> str:
        found: str = (await self.api.get(f"/webhooks/{webhook['id']}")).json()["status"]
        return found


@pytest.fixture
async def shop(api: httpx.AsyncClient) -> Any:
    """A shop; the webhooks that a test has made are deleted after it."""
    await in_reader(lambda: Webhook.objects.update(status="deleted"))
    yield Shop(api, await merchant(api, "1000.00"), await merchant(api))
    await in_reader(lambda: Webhook.objects.update(status="deleted"))


def all_delivered(count: int) -> Callable[[list[dict[str, Any]]], bool]:
    return lambda found: [one["status"] for one in found] == ["delivered"] * count


def ids_of(received: list[Received]) -> list[str]:
    return [one.event_id for one in received]


async def test_a_transfer_is_delivered_and_signed(shop: Shop) -> None:
    async with receiving() as receiver:
        made = await shop.webhook(receiver)
        (posted,) = await shop.pay()
        (received,) = await receiver.wait_for_events(posted)
        event = Verifier(made["secret"]).verify(received.body, received.headers)
        assert (event["id"], event["type"]) == (posted, "transfer.posted")
        assert received.headers["content-type"] == "application/json"
        (delivery,) = await shop.deliveries_when(made, all_delivered(1))
        assert (delivery["event_id"], delivery["type"], delivery["next_attempt_at"]) == (posted, "transfer.posted", None)
        assert [(one["status_code"], one["error"]) for one in delivery["attempts"]] == [(200, None)]


async def test_the_body_is_the_event_as_its_own_get_shows_it(shop: Shop) -> None:
    async with receiving() as receiver:
        await shop.webhook(receiver)
        (posted,) = await shop.pay()
        (received,) = await receiver.wait_for_events(posted)
        assert received.body == (await shop.api.get(f"/events/{posted}")).content


async def test_a_webhook_begins_with_what_comes_from_its_registration_on(shop: Shop) -> None:
    async with receiving() as receiver:
        before = await shop.pay(3)
        await shop.webhook(receiver)
        after = await shop.pay(3)
        await receiver.wait_for_events(*after)
        assert not set(before) & set(ids_of(receiver.received))


async def test_a_failure_is_tried_again_after_about_five_seconds(shop: Shop) -> None:
    async with receiving(lambda _: answer(500)) as receiver:
        made = await shop.webhook(receiver)
        (posted,) = await shop.pay()
        (delivery,) = await shop.deliveries_when(made, lambda found: bool(found and found[0]["attempts"]))
        assert (delivery["status"], delivery["attempts"][0]["status_code"]) == ("pending", 500)
        pause = datetime.fromisoformat(delivery["next_attempt_at"]) - datetime.fromisoformat(delivery["attempts"][0]["at"])
        assert timedelta(seconds=3.5) < pause < timedelta(seconds=8)
        receiver.answer = lambda _: OK
        (delivery,) = await shop.deliveries_when(made, all_delivered(1))
        assert [one["status_code"] for one in delivery["attempts"]] == [500, 200]
        assert ids_of(receiver.received) == [posted, posted]


async def test_failures_hold_up_nobody_else(shop: Shop) -> None:
    async with receiving() as receiver:
        made = await shop.webhook(receiver)
        (bad,) = await shop.pay()
        await receiver.wait_for_events(bad)
        receiver.answer = lambda request: HANG if request.event_id == hung else OK
        hung = (await shop.pay())[0]
        good = await shop.pay(30)
        await receiver.wait_for_events(hung, *good, timeout_s=10)
        found = await shop.deliveries_when(made, lambda found: sum(one["status"] == "delivered" for one in found) == 31)
        assert [one["event_id"] for one in found if one["status"] == "pending"] == [hung]


async def test_one_webhook_that_hangs_does_not_hold_up_another(shop: Shop) -> None:
    async with receiving(lambda _: HANG) as hanging, receiving() as good:
        await shop.webhook(hanging)
        await shop.webhook(good)
        ids = await shop.pay(20)
        await good.wait_for_events(*ids, timeout_s=10)


async def test_an_answer_that_does_not_come_is_a_failure(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "TIMEOUT_S", 0.3)
    async with receiving(lambda _: HANG) as receiver:
        made = await shop.webhook(receiver)
        await shop.pay()
        (delivery,) = await shop.deliveries_when(made, lambda found: bool(found and found[0]["attempts"]))
        assert delivery["attempts"][0]["status_code"] is None
        assert "no answer within" in delivery["attempts"][0]["error"]


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        (answer(302, "location: /elsewhere"), 302, "redirects are not followed"),
        (answer(404), 404, None),
        (DROP, None, "the connection was lost"),
        (b"nonsense\r\n\r\n", None, "not HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"x-more: 1\r\n" * 100_000, None, "not HTTP"),
    ],
    ids=["redirect", "404", "lost", "nonsense", "endless headers"],
)
async def test_what_is_no_success_is_a_failure(shop: Shop, sent: bytes, status: int | None, words: str | None) -> None:
    async with receiving(lambda _: sent) as receiver:
        made = await shop.webhook(receiver)
        await shop.pay()
        (delivery,) = await shop.deliveries_when(made, lambda found: bool(found and found[0]["attempts"]))
        (attempt,) = delivery["attempts"]
        assert (delivery["status"], attempt["status_code"]) == ("pending", status)
        assert (attempt["error"] is None) if words is None else words in attempt["error"]
        assert {one.path for one in receiver.received} == {"/hooks"}


async def test_a_huge_answer_is_a_success_whose_body_is_not_read(shop: Shop) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n"
    async with receiving(lambda _: head + b"x" * 300_000) as receiver:
        made = await shop.webhook(receiver)
        await shop.pay()
        await shop.deliveries_when(made, all_delivered(1))


async def test_retry_after_is_honoured(shop: Shop) -> None:
    async with receiving(lambda _: answer(503, "retry-after: 600")) as receiver:
        made = await shop.webhook(receiver)
        await shop.pay()
        (delivery,) = await shop.deliveries_when(made, lambda found: bool(found and found[0]["attempts"]))
        pause = datetime.fromisoformat(delivery["next_attempt_at"]) - datetime.fromisoformat(delivery["attempts"][0]["at"])
        assert timedelta(seconds=595) < pause < timedelta(seconds=605)


async def test_410_disables_at_once_and_says_so_in_the_feed(shop: Shop) -> None:
    async with receiving(lambda _: answer(410)) as receiver:
        made = await shop.webhook(receiver)
        (posted,) = await shop.pay()
        (delivery,) = await shop.deliveries_when(made, lambda found: bool(found and found[0]["status"] == "failed"))
        assert delivery["next_attempt_at"] is None
        assert await shop.status(made) == "disabled"
        events = await in_reader(lambda: list(Event.objects.filter(type="webhook.disabled").order_by("-id")[:1]))
        assert made["id"] in json.dumps(events[0].data)
        later = await shop.pay(2)
        receiver.answer = lambda _: OK
        await shop.change(made, status="enabled")
        await receiver.wait_for_events(posted, *later)
        await shop.deliveries_when(made, all_delivered(3))


async def test_the_last_attempt_disables(shop: Shop) -> None:
    async with receiving(lambda _: answer(500)) as receiver:
        made = await shop.webhook(receiver)
        await shop.pay()
        (delivery,) = await shop.deliveries_when(made, lambda found: bool(found and found[0]["attempts"]))
        old = Delivery.objects.filter(id=UUID(delivery["id"]))
        await in_reader(lambda: old.update(tried_since=Now() - timedelta(days=3, seconds=1), next_attempt_at=Now()))
        (delivery,) = await shop.deliveries_when(made, lambda found: found[0]["status"] == "failed")
        assert await shop.status(made) == "disabled"
        # Enabled again it is tried for three days again, first after about five seconds.
        await shop.change(made, status="enabled")
        (delivery,) = await shop.deliveries_when(made, lambda found: len(found[0]["attempts"]) == 3)
        assert datetime.fromisoformat(delivery["next_attempt_at"]) - datetime.now(UTC) < timedelta(seconds=8)


async def test_a_paused_webhook_keeps_its_place(shop: Shop) -> None:
    async with receiving() as receiver:
        made = await shop.webhook(receiver, ordered=True)
        first = await shop.pay(2)
        await receiver.wait_for_events(*first)
        await shop.deliveries_when(made, all_delivered(2))
        assert (await shop.change(made, status="paused"))["status"] == "paused"
        later = await shop.pay(5)
        await shop.deliveries_when(made, lambda found: len(found) == 7)
        assert (await shop.api.get(f"/webhooks/{made['id']}")).json()["pending"] == 5
        assert ids_of(receiver.received) == first
        await shop.change(made, status="enabled")
        await receiver.wait_for_events(*later)
        assert ids_of(receiver.received) == first + later


async def test_an_ordered_webhook_gets_one_after_the_other_and_a_failure_holds_up_what_follows(shop: Shop) -> None:
    failing: set[str] = set()
    async with receiving(lambda request: answer(500) if request.event_id in failing else OK) as receiver:
        made = await shop.webhook(receiver, ordered=True)
        first = await shop.pay(3)
        await receiver.wait_for_events(*first)
        await shop.change(made, status="paused")
        later = await shop.pay(20)
        await shop.deliveries_when(made, lambda found: len(found) == 23)
        failing.add(later[4])
        await shop.change(made, status="enabled")
        found = await shop.deliveries_when(made, lambda found: bool(found[7]["attempts"]))
        assert [one["status"] for one in found] == ["delivered"] * 7 + ["pending"] * 16
        assert not any(one["attempts"] for one in found[8:])
        failing.clear()
        await in_reader(lambda: Delivery.objects.filter(id=UUID(found[7]["id"])).update(next_attempt_at=Now()))
        await receiver.wait_for_events(*later)
        assert list(dict.fromkeys(ids_of(receiver.received))) == first + later


async def test_both_secrets_sign_after_a_rotation(shop: Shop) -> None:
    async with receiving() as receiver:
        made = await shop.webhook(receiver)
        rotated = (await shop.api.post(f"/webhooks/{made['id']}/rotate_secret", json={})).json()
        assert rotated["secret"] != made["secret"]
        (posted,) = await shop.pay()
        (received,) = await receiver.wait_for_events(posted)
        for secret in (made["secret"], rotated["secret"]):
            Verifier(secret).verify(received.body, received.headers)
        await shop.deliveries_when(made, all_delivered(1))
        expired = Webhook.objects.filter(id=UUID(made["id"]))
        await in_reader(lambda: expired.update(previous_expires_at=Now() - timedelta(seconds=1)))
        (posted,) = await shop.pay()
        received = (await receiver.wait_for_events(posted))[-1]
        Verifier(rotated["secret"]).verify(received.body, received.headers)
        with pytest.raises(WebhookVerificationError):
            Verifier(made["secret"]).verify(received.body, received.headers)


async def test_what_was_under_way_in_a_process_that_is_gone_is_sent_again(shop: Shop) -> None:
    """Its lease is another process's; when it runs out, this one takes over."""
    async with receiving() as receiver:
        made = await shop.webhook(receiver, ordered=True)
        row = Webhook.objects.filter(id=UUID(made["id"]))
        await in_reader(lambda: row.update(leased_by=uuid4(), leased_until=Now() + timedelta(seconds=30)))
        ids = await shop.pay(3)
        await shop.deliveries_when(made, lambda found: len(found) == 3)
        assert not receiver.received
        await in_reader(lambda: row.update(leased_until=Now() - timedelta(seconds=1)))
        await receiver.wait_for_events(*ids)
        assert ids_of(receiver.received) == ids


async def test_a_killed_worker_loses_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker is killed while a receiver has not answered yet: this process sends it once more."""
    async with receiving(lambda _: HANG) as receiver:
        made = await shop.webhook(receiver, ordered=True)
        row = Webhook.objects.filter(id=UUID(made["id"]))
        await in_reader(lambda: row.update(leased_by=uuid4(), leased_until=Now() + timedelta(seconds=60)))
        ids = await shop.pay(3)
        await shop.deliveries_when(made, lambda found: len(found) == 3)
        worker = _worker(made["id"])
        try:
            await receiver.wait_for_events(ids[0])
        finally:
            worker.send_signal(signal.SIGKILL)
            worker.wait()
        receiver.answer = lambda _: OK
        await in_reader(lambda: row.update(leased_until=Now() - timedelta(seconds=1)))
        await receiver.wait_for_events(*ids)
        assert ids_of(receiver.received) == [ids[0], *ids]


_TURN = """
import asyncio, sys
import ledger_project.asgi
from uuid import UUID, uuid4
from events.models import Webhook
from events.sending.client import Client
from events.sending.threads import DatabaseThreads
from events.sending.turns import Shared, Turn

async def main():
    webhook_id, sender, threads = UUID(sys.argv[1]), uuid4(), DatabaseThreads()
    await threads.run(lambda: Webhook.objects.filter(id=webhook_id).update(leased_by=sender))
    await Turn(webhook_id, Shared(sender, Client(is_open=lambda: True), threads, asyncio.Semaphore(8), asyncio.Event(), {})).run()

asyncio.run(main())
"""


def _worker(webhook_id: str) -> subprocess.Popen[bytes]:
    """Start a process that sends for one webhook."""
    import os

    return subprocess.Popen([sys.executable, "-c", _TURN, webhook_id], cwd=ROOT, env={**os.environ, "DATABASE_URL": database_url()})


async def test_two_senders_share_the_work_and_keep_the_order(shop: Shop) -> None:
    """A second sender beside that of this process: each webhook has one of them at a time."""
    stopping = asyncio.Event()
    second = asyncio.create_task(Sender(stopping).run())
    try:
        async with receiving() as ordered, receiving() as other:
            webhooks = [await shop.webhook(ordered, ordered=True), await shop.webhook(other)]
            ids = await shop.pay(60)
            await ordered.wait_for_events(*ids)
            await other.wait_for_events(*ids)
            for webhook in webhooks:
                await shop.deliveries_when(webhook, all_delivered(60))
            assert ids_of(ordered.received) == ids
            assert sorted(ids_of(other.received)) == ids
    finally:
        stopping.set()
        await second


async def test_events_beyond_what_may_wait_stay_in_the_journal(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries_module, "MOST_WAITING", 10)
    monkeypatch.setattr("events.sending.sender._CHECK_S", 0.0)
    async with receiving() as receiver, receiving() as other:
        made, _ = await shop.webhook(receiver, ordered=True), await shop.webhook(other)
        await shop.change(made, status="paused")
        ids = await shop.pay(12)
        await other.wait_for_events(*ids)
        ids += await shop.pay(30)
        await other.wait_for_events(*ids)
        waiting = len(await shop.deliveries(made))
        assert 10 <= waiting < 42
        await shop.change(made, status="enabled")
        await receiver.wait_for_events(*ids)
        assert list(dict.fromkeys(ids_of(receiver.received))) == ids
        ids = await shop.pay(2)
        await receiver.wait_for_events(*ids)
        await other.wait_for_events(*ids)
        assert len(other.received) == 44


async def test_a_replay_sends_everything_from_an_event_on(shop: Shop) -> None:
    async with receiving() as receiver:
        made = await shop.webhook(receiver, ordered=True)
        ids = await shop.pay(5)
        await receiver.wait_for_events(*ids)
        await shop.deliveries_when(made, all_delivered(5))
        response = await shop.api.post(f"/webhooks/{made['id']}/replay", json={"from_event": ids[2]})
        assert (response.status_code, response.json()) == (202, {"deliveries": 3})
        await receiver.wait_for(lambda received: len(received) == 8)
        assert ids_of(receiver.received) == ids + ids[2:]
        later = await shop.pay(2)
        await receiver.wait_for_events(*later)
        assert ids_of(receiver.received) == ids + ids[2:] + later


async def test_a_replay_by_ids_sends_whatever_the_types_say(shop: Shop) -> None:
    async with receiving() as receiver:
        ids = await shop.pay(2)
        made = await shop.webhook(receiver, types=["hold.*"])
        response = await shop.api.post(f"/webhooks/{made['id']}/replay", json={"event_ids": [ids[1], ids[0], ids[1]]})
        assert (response.status_code, response.json()) == (202, {"deliveries": 2})
        await receiver.wait_for_events(*ids)
        assert sorted(ids_of(receiver.received)) == ids


async def test_a_deleted_webhook_gets_nothing_more(shop: Shop) -> None:
    async with receiving() as receiver, receiving() as other:
        made = await shop.webhook(receiver)
        await shop.webhook(other)
        first = await shop.pay()
        await receiver.wait_for_events(*first)
        assert (await shop.api.delete(f"/webhooks/{made['id']}")).status_code == 204
        later = await shop.pay(2)
        await other.wait_for_events(*first, *later)
        assert ids_of(receiver.received) == first
        assert (await shop.api.get(f"/webhooks/{made['id']}")).status_code == 404
        assert (await shop.api.delete(f"/webhooks/{made['id']}")).status_code == 404


async def test_the_test_of_a_webhook_sends_one_event_now(shop: Shop) -> None:
    async with receiving(lambda _: answer(418)) as receiver:
        made = await shop.webhook(receiver)
        response = await shop.api.post(f"/webhooks/{made['id']}/test", json={})
        assert response.status_code == 200, response.text
        assert (response.json()["status_code"], response.json()["error"]) == (418, None)
        (received,) = receiver.received
        assert Verifier(made["secret"]).verify(received.body, received.headers)["type"] == "webhook.test"
        assert await shop.deliveries(made) == []
