"""The figures of consumers, deliveries and mails, read from the database by each serving process.

So they are there whichever process does the work, also where none does it.
"""

from __future__ import annotations

import asyncio
import contextlib

import django.db
import structlog

from events.models.mail import MailStatus
from events.models.webhooks import DeliveryStatus, WebhookStatus
from events.selectors.delivery_state import get_delivery_state
from ledger_project.database.readers import in_reader
from ledger_project.observability import metrics

log = structlog.get_logger(__name__)

EVERY_S = 15.0

_running: dict[asyncio.Event, asyncio.Task[None]] = {}


def measure_deliveries() -> None:
    """Set the figures. Synchronous."""
    state = get_delivery_state()
    for consumer, lag_s in state.consumer_lags_s.items():
        metrics.CONSUMER_LAG.labels(consumer).set(max(0.0, lag_s))
    for status in (WebhookStatus.ENABLED, WebhookStatus.PAUSED, WebhookStatus.DISABLED):
        metrics.WEBHOOKS.labels(status.value).set(state.webhooks.get(status.value, 0))
    for open_status in (DeliveryStatus.PENDING, DeliveryStatus.FAILED):
        metrics.WEBHOOK_DELIVERIES.labels(open_status.value).set(state.deliveries.get(open_status.value, 0))
    metrics.WEBHOOK_OLDEST.set(max(0.0, state.oldest_pending_s))
    for unsent in (MailStatus.PENDING, MailStatus.FAILED):
        metrics.MAILS.labels(unsent.value).set(state.mails.get(unsent.value, 0))
    metrics.MAIL_OLDEST.set(max(0.0, state.oldest_mail_s))


async def _measure_until(stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        try:
            await in_reader(measure_deliveries)
        except django.db.Error as error:
            log.warning("deliveries.not_measured", error=type(error).__name__, detail=str(error)[:200])
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), EVERY_S)


async def start() -> None:
    """Begin to measure in the running event loop."""
    stopping = asyncio.Event()
    _running[stopping] = asyncio.create_task(_measure_until(stopping), name="deliveries")


async def stop() -> None:
    """End it, after the statement that is under way."""
    while _running:
        stopping, task = _running.popitem()
        stopping.set()
        await task
