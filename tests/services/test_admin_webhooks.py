"""Webhooks in the admin: what operators see, and each thing that they can do about them."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from events.models import Delivery, Webhook
from events.selectors.headers import Header, headers_by_id
from events.selectors.webhooks import stored_secrets
from events.services.deliveries import insert_deliveries
from events.services.secrets import new_secret, unsealed
from events.services.webhooks import NewWebhook, delete_webhook, register_webhook
from ledger_project.database.fields import new_id
from ledger_project.kernel.actors import Actor
from tests.services.test_admin import change_page, new_transfer
from tests.services.test_admin_operations import user_with
from tests.services.test_rollups import settle
from tests.support.factories import unique


@pytest.fixture
def root() -> Client:
    return user_with(None)


PLATFORM = Actor("test")


def new_webhook(url: str = "", *, ordered: bool = False) -> Webhook:
    webhook_id = new_id()
    new = NewWebhook(webhook_id, url or f"https://{unique('hook')}.example/", ["*"], ordered, None, new_secret())
    register_webhook(new, actor=PLATFORM, key=None, render=lambda _: b"")
    return Webhook.objects.get(id=webhook_id)


def new_event() -> Header:
    """Return a transfer as an event that is settled."""
    _, _, made = new_transfer()
    settle()
    (found,) = headers_by_id([made], merchant_id=None)
    return found


def failed(webhook: Webhook, event: Header) -> Delivery:
    insert_deliveries([(webhook.id, event)])
    delivery = Delivery.objects.get(webhook=webhook)
    attempt = {"at": "2026-01-01T00:00:00.000000Z", "status_code": 503, "duration_ms": 12, "error": None}
    Delivery.objects.filter(id=delivery.id).update(status="failed", next_attempt_at=None, attempts=[attempt], failures=9)
    return delivery


def do(client: Client, obj: object, action: str, **values: object) -> str:
    """Open the page of an action, send its form, and return what is shown then."""
    page = change_page(obj, action)
    shown = client.get(page)
    assert shown.status_code == 200, page
    token = re.search(r'name="token" value="(\w+)"', shown.content.decode())
    assert token is not None
    response = client.post(page, {"token": token[1], "reason": "because", **values}, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def test_lists_and_pages_show_webhooks_and_what_was_sent(root: Client) -> None:
    webhook = new_webhook()
    delivery = failed(webhook, new_event())
    assert webhook.url in root.get(reverse("admin:events_webhook_changelist"), {"q": webhook.url}).content.decode()
    page = root.get(change_page(webhook)).content.decode()
    for words in (webhook.url, "the platform", "Newest deliveries", "transfer.posted", "503", str(delivery.event_id)):
        assert words in page
    assert "No delivery." in root.get(change_page(webhook), {"status": "pending"}).content.decode()
    found = root.get(reverse("admin:events_delivery_changelist"), {"q": str(webhook.id)}).content.decode()
    assert str(delivery.event_id) in found
    page = root.get(change_page(delivery)).content.decode()
    for words in ("Attempts", "2026-01-01T00:00:00.000000Z", "503", "12 ms", webhook.url):
        assert words in page
    assert reverse("admin:transfers_transfer_change", args=[delivery.event_id]) in page


def test_a_deleted_webhook_is_not_shown(root: Client) -> None:
    webhook = new_webhook()
    delete_webhook(webhook.id, actor=PLATFORM)
    assert webhook.url not in root.get(reverse("admin:events_webhook_changelist")).content.decode()
    assert root.get(change_page(webhook)).status_code == 302


def test_pausing_and_enabling_is_recorded_with_its_reason(root: Client) -> None:
    webhook = new_webhook()
    do(root, webhook, "pause")
    webhook.refresh_from_db()
    assert webhook.status == "paused"
    assert "somebody has done it meanwhile" in do(root, webhook, "pause")
    delivery = failed(webhook, new_event())
    do(root, webhook, "enable")
    webhook.refresh_from_db()
    delivery.refresh_from_db()
    assert (webhook.status, delivery.status) == ("enabled", "pending")
    kept = LogEntry.objects.filter(object_id=str(webhook.id)).order_by("id").values_list("change_message", flat=True)
    assert list(kept) == ["Paused: because", "Enabled: because"]


def test_a_rotated_secret_is_shown_once_and_not_kept_in_the_open(root: Client) -> None:
    webhook = new_webhook()
    (before,) = [unsealed(one) for one in stored_secrets(webhook.id)]
    page = do(root, webhook, "rotate")
    shown = re.search(r'<code id="secret"[^>]*>(whsec_[^<]+)</code>', page)
    assert shown is not None
    assert [unsealed(one) for one in stored_secrets(webhook.id)] == [shown[1], before]
    assert shown[1] not in root.get(change_page(webhook)).content.decode()
    assert "because" in LogEntry.objects.get(object_id=str(webhook.id)).change_message
    assert shown[1] not in str(dict(root.session))


def test_a_form_of_a_rotation_that_is_sent_twice_rotates_once(root: Client) -> None:
    webhook = new_webhook()
    page = change_page(webhook, "rotate")
    form = {"token": unique("form"), "reason": "twice"}
    first, second = (root.post(page, form, follow=True).content.decode() for _ in range(2))
    assert "whsec_" in first
    assert "whsec_" not in second
    assert "this form was sent before" in second
    newest, _ = (unsealed(one) for one in stored_secrets(webhook.id))
    assert newest is not None
    assert newest in first


def test_a_failed_delivery_is_sent_again(root: Client) -> None:
    delivery = failed(new_webhook(), new_event())
    assert "Sent now" in do(root, delivery, "send")
    delivery.refresh_from_db()
    assert (delivery.status, delivery.failures) == ("pending", 0)


def test_events_are_replayed_once_for_each_form(root: Client) -> None:
    webhook, event = new_webhook(), new_event()
    assert "Replayed 1 event from" in do(root, webhook, "replay", event_id=str(event.id))
    assert [one.event_id for one in Delivery.objects.filter(webhook=webhook)] == [event.id]
    form = {"token": unique("form"), "reason": "again", "event_id": str(event.id)}
    for _ in range(2):
        root.post(change_page(webhook, "replay"), form)
    assert Delivery.objects.filter(webhook=webhook).count() == 2
    assert "event_not_found" in do(root, webhook, "replay", event_id=str(UUID(int=7 << 76 | 2 << 62)))
    assert "Replayed" in do(root, webhook, "replay", event_id=str(event.id), onwards="on")
    webhook.refresh_from_db()
    assert webhook.cursor is not None
    assert webhook.cursor < event.id


@dataclass
class _Received:
    url: str = ""
    bodies: list[bytes] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[_Received]:
    received = _Received()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        received.url = f"http://127.0.0.1:{server.server_port}/"
        yield received
        server.shutdown()
        thread.join()


def test_a_test_is_sent_now_and_its_answer_is_told(root: Client, receiver: _Received) -> None:
    webhook = new_webhook(receiver.url)
    assert "Test sent: answered 202" in do(root, webhook, "test")
    (body,) = receiver.bodies
    assert b"webhook.test" in body
    assert "Test sent: " in LogEntry.objects.get(object_id=str(webhook.id)).change_message
    refused = new_webhook("http://127.0.0.1:9/")
    assert "Test sent: " in do(root, refused, "test")


@pytest.mark.parametrize("action", ["pause", "enable", "test", "replay", "rotate"])
def test_who_only_views_does_nothing(action: str) -> None:
    viewer, webhook = user_with("viewer"), new_webhook()
    before = Webhook.objects.filter(id=webhook.id).values().get()
    assert viewer.get(change_page(webhook)).status_code == 200
    assert viewer.post(change_page(webhook, action), {"token": "x", "reason": "x"}).status_code == 403
    assert Webhook.objects.filter(id=webhook.id).values().get() == before


def test_an_operator_acts(root: Client) -> None:
    webhook = new_webhook()
    do(user_with("operator"), webhook, "pause")
    webhook.refresh_from_db()
    assert webhook.status == "paused"
