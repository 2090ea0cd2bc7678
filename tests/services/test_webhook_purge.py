"""Deliveries and mails are removed when their time is over, and not before they are delivered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from events.models import Delivery, ReceiptMail, Webhook
from events.services import purging
from events.services.purging import purge_deliveries, purge_mails
from events.services.secrets import new_secret, sealed
from ledger_project.kernel.ids import uuid7_at


@pytest.fixture
def webhook(ledger: None) -> Webhook:
    """A paused webhook, so that nothing is sent."""
    del ledger
    return Webhook.objects.create(url="https://[2001:db8::1]/", types=["hold.*"], secret=sealed(new_secret()), status="paused")


def delivery(webhook: Webhook, age: timedelta, status: str) -> UUID:
    moment = datetime.now(UTC) - age
    made = Delivery.objects.create(
        id=uuid7_at(moment, position=0, entropy=uuid4().int, place=uuid4()),
        webhook=webhook,
        event_id=uuid4(),
        type="hold.placed",
        status=status,
        next_attempt_at=moment if status == "pending" else None,
    )
    return made.id


def test_what_was_delivered_goes_after_three_days_and_what_was_not_stays(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "BATCH", 2)
    old, new = timedelta(days=3, minutes=1), timedelta(days=2, hours=23)
    for _ in range(5):
        delivery(webhook, old, "delivered")
    kept = {delivery(webhook, old, "pending"), delivery(webhook, old, "failed"), delivery(webhook, new, "delivered")}
    while purge_deliveries():
        pass
    assert set(Delivery.objects.filter(webhook=webhook).values_list("id", flat=True)) == kept
    Webhook.objects.filter(id=webhook.id).update(status="deleted")


def test_a_deleted_webhook_goes_with_all_its_deliveries(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "BATCH", 2)
    for status in ("delivered", "pending", "failed", "failed", "failed"):
        delivery(webhook, timedelta(), status)
    Webhook.objects.filter(id=webhook.id).update(status="deleted")
    while purge_deliveries():
        pass
    assert not Delivery.objects.filter(webhook_id=webhook.id).exists()
    assert not Webhook.objects.filter(id=webhook.id).exists()


def mail(age: timedelta, status: str) -> str:
    moment = datetime.now(UTC) - age
    made = ReceiptMail.objects.create(
        number=f"{uuid4()}-1",
        transfer_id=uuid4(),
        account_id=uuid4(),
        created_at=moment,
        status=status,
        next_attempt_at=datetime.now(UTC) + timedelta(days=1) if status == "pending" else None,
    )
    return made.number


def test_mails_that_were_sent_or_are_unwanted_go_after_three_days(ledger: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "BATCH", 2)
    old, new = timedelta(days=3, minutes=1), timedelta(days=2, hours=23)
    gone = {mail(old, status) for status in ("sent", "unwanted", "sent", "unwanted", "sent")}
    kept = {mail(old, "pending"), mail(old, "failed"), mail(new, "sent"), mail(new, "unwanted")}
    while purge_mails():
        pass
    assert set(ReceiptMail.objects.filter(number__in=gone | kept).values_list("number", flat=True)) == kept
    ReceiptMail.objects.filter(number__in=kept).delete()
