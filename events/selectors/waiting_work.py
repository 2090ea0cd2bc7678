"""Whether there is anything to do for a sender: one look, many times a second."""

from __future__ import annotations

from typing import NamedTuple, cast

from django.db import connection

from events.selectors.headers import SETTLED_ID

TO_BE_SENT = """w.status = 'enabled' AND (w.leased_until IS NULL OR w.leased_until < clock_timestamp()) AND CASE WHEN w.ordered
    THEN (SELECT d.next_attempt_at FROM events_delivery d WHERE d.webhook_id = w.id AND d.status = 'pending' ORDER BY d.id LIMIT 1)
    ELSE (SELECT min(d.next_attempt_at) FROM events_delivery d WHERE d.webhook_id = w.id AND d.status = 'pending')
    END <= clock_timestamp()"""
"""The condition that a webhook has a delivery that is due, and no sender. Of an ordered one only
the next delivery counts.
"""

_LOOK = f"""
SELECT EXISTS (SELECT FROM events_webhook w WHERE w.status <> 'deleted'
        AND (w.cursor IS NOT NULL OR (SELECT c.cursor FROM events_consumer c WHERE c.name = %s) < ({SETTLED_ID}))),
    EXISTS (SELECT FROM events_webhook w WHERE {TO_BE_SENT})
"""


class WaitingWork(NamedTuple):
    """Whether events may become deliveries, and whether deliveries are to be sent."""

    to_make: bool
    to_send: bool


def waiting_work(consumer: str) -> WaitingWork:
    """Look. One round trip. Synchronous."""
    with connection.cursor() as cursor:
        cursor.execute(_LOOK, [consumer])
        return WaitingWork(*cast("tuple[bool, bool]", cursor.fetchone()))
