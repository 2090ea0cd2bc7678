"""Deliveries and mails are removed when their time is over, deliveries of deleted webhooks at once.

A delivery that waits or has failed is kept until it is delivered: nothing is lost when its webhook
is enabled again. A delivered one is kept for ``LEDGER_WEBHOOK_RETENTION`` seconds; so is a mail
that was sent or is unwanted. A mail that waits or was given up is kept until it is sent.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection

from events.services.deliveries import unflushed
from ledger_project.database.clock import database_now
from ledger_project.kernel.ids import first_uuid7_at

BATCH = 2000
"""Rows of one transaction."""

# In the order of ids, which is that of time: the first ones that are kept end the search.
_PURGE = """
DELETE FROM events_delivery WHERE id = ANY(ARRAY(
    SELECT d.id FROM events_delivery d WHERE d.id < %s AND d.status = 'delivered' ORDER BY d.id LIMIT %s FOR UPDATE SKIP LOCKED))
"""

_PURGE_MAILS = """
DELETE FROM events_receiptmail WHERE number = ANY(ARRAY(
    SELECT m.number FROM events_receiptmail m
    WHERE m.status IN ('sent', 'unwanted') AND m.created_at < %(until)s
    ORDER BY m.created_at LIMIT %(most)s FOR UPDATE SKIP LOCKED))
"""

_DELETED = "SELECT id FROM events_webhook WHERE status = 'deleted' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
_EMPTY = """
DELETE FROM events_delivery WHERE id = ANY(ARRAY(SELECT d.id FROM events_delivery d WHERE d.webhook_id = %s ORDER BY d.id LIMIT %s))
"""
# Another process may be in the middle of a round that made deliveries for it.
_REMOVE = """
DELETE FROM events_webhook w WHERE w.id = %s AND NOT EXISTS (SELECT FROM events_delivery d WHERE d.webhook_id = w.id)
"""


def purge_deliveries() -> bool:
    """Remove a batch of deliveries, and return whether there is more to do."""
    until = first_uuid7_at(_last_kept())
    with unflushed() as cursor:
        cursor.execute(_PURGE, [until, BATCH])
        is_more = cursor.rowcount == BATCH
        cursor.execute(_DELETED)
        row = cursor.fetchone()
        return (_remove(row[0]) if row is not None else False) or is_more


def purge_mails() -> bool:
    """Remove a batch of mails, and return whether there may be more."""
    with unflushed() as cursor:
        cursor.execute(_PURGE_MAILS, {"until": _last_kept(), "most": BATCH})
        return bool(cursor.rowcount == BATCH)


def _last_kept() -> datetime:
    return database_now() - timedelta(seconds=settings.LEDGER_WEBHOOK_RETENTION)


def _remove(webhook_id: UUID) -> bool:
    """Remove a batch of the deliveries of a deleted webhook, or the webhook itself; return whether
    there was one of either.
    """
    with connection.cursor() as cursor:
        cursor.execute(_EMPTY, [webhook_id, BATCH])
        if cursor.rowcount:
            return True
        cursor.execute(_REMOVE, [webhook_id])
        return bool(cursor.rowcount)
