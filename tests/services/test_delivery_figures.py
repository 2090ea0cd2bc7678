"""The figures of consumers, webhooks and deliveries say how it is."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from django.db import connection, transaction
from django.utils import timezone

from events.models import Consumer, Delivery, ReceiptMail, Webhook
from events.models.webhooks import WebhookStatus
from events.selectors.delivery_state import DeliveryState, get_delivery_state
from events.services.deliveries import CONSUMER
from events.upkeep.measuring import measure_deliveries
from ledger_project.observability import metrics
from tests.services.test_admin_webhooks import failed, new_event, new_webhook


def state_of_one(webhook: Webhook) -> DeliveryState:
    """Return the state as if this were the only webhook. Inside a transaction that is rolled back."""
    Webhook.objects.exclude(id=webhook.id).update(status=WebhookStatus.DELETED.value)
    return get_delivery_state()


def test_open_deliveries_are_counted_and_the_oldest_one_that_an_enabled_webhook_waits_for_has_its_age() -> None:
    webhook, event = new_webhook(), new_event()
    with transaction.atomic():
        before = state_of_one(webhook)
        delivery = failed(webhook, event)
        assert get_delivery_state().deliveries["failed"] == before.deliveries.get("failed", 0) + 1
        assert get_delivery_state().oldest_pending_s == 0
        hour_ago = timezone.now() - timedelta(hours=1)
        Delivery.objects.filter(id=delivery.id).update(status="pending", next_attempt_at=hour_ago, created_at=hour_ago)
        assert 3600 <= get_delivery_state().oldest_pending_s < 3700
        Webhook.objects.filter(id=webhook.id).update(status="paused")
        assert get_delivery_state().oldest_pending_s == 0
        assert get_delivery_state().webhooks == {"paused": 1}
        transaction.set_rollback(True)


def test_a_consumer_is_as_late_as_the_oldest_event_that_it_has_not_read() -> None:
    webhook, event = new_webhook(), new_event()
    with transaction.atomic():
        state_of_one(webhook)
        Webhook.objects.filter(id=webhook.id).update(cursor=None)
        Consumer.objects.filter(name=CONSUMER).update(cursor=event.id)
        read = get_delivery_state().consumer_lags_s[CONSUMER]
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.05)")
        Consumer.objects.filter(name=CONSUMER).update(cursor=None)
        assert get_delivery_state().consumer_lags_s[CONSUMER] > read + 0.05
        Webhook.objects.all().update(status=WebhookStatus.DELETED.value)
        assert get_delivery_state().consumer_lags_s[CONSUMER] == 0
        transaction.set_rollback(True)


def test_mails_that_are_not_sent_are_counted_and_the_oldest_that_waits_has_its_age() -> None:
    with transaction.atomic():
        ReceiptMail.objects.all().delete()
        hour_ago = timezone.now() - timedelta(hours=1)
        for number, status in enumerate(("pending", "pending", "failed", "sent", "unwanted")):
            ReceiptMail.objects.create(
                number=f"{uuid4()}-1",
                transfer_id=uuid4(),
                account_id=uuid4(),
                created_at=hour_ago - timedelta(days=number if status != "pending" else 0),
                status=status,
                next_attempt_at=hour_ago if status == "pending" else None,
            )
        state = get_delivery_state()
        assert state.mails == {"pending": 2, "failed": 1}
        assert 3600 <= state.oldest_mail_s < 3700
        ReceiptMail.objects.filter(status="pending").delete()
        assert get_delivery_state().oldest_mail_s == 0
        transaction.set_rollback(True)


def test_they_are_published() -> None:
    new_webhook()
    measure_deliveries()
    shown = metrics.exposition().decode()
    for series in (
        'ledger_consumer_lag_seconds{consumer="webhooks"',
        "ledger_webhooks{",
        "ledger_webhook_deliveries{",
        "ledger_webhook_oldest_pending_seconds",
        "ledger_receipt_mails{",
        "ledger_receipt_mail_oldest_pending_seconds",
    ):
        assert series in shown
