"""How far those are who are told of events: consumers of the feed, webhooks, deliveries, mails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from django.db import connection

from transfers.sql.mark import newest_mark

MOST_COUNTED = 100_000
"""Deliveries that are counted at most."""

_NEXT = "(SELECT n.created_at FROM {table} n WHERE n.id > coalesce(c.cursor, '{none}') AND n.id < m.bound ORDER BY n.id LIMIT 1)"
_TABLES = ("transfers_transfer", "transfers_event")
_FIRST = ", ".join(_NEXT.format(table=table, none="00000000-0000-0000-0000-000000000000") for table in _TABLES)

# The shared cursor of webhooks stands still while no webhook follows it.
_CONSUMERS = f"""
SELECT c.name, CASE
    WHEN c.name = 'webhooks' AND NOT EXISTS (SELECT FROM events_webhook w WHERE w.status <> 'deleted' AND w.cursor IS NULL) THEN 0
    ELSE coalesce(extract(epoch FROM clock_timestamp() - least({_FIRST})), 0)::float END
FROM events_consumer c CROSS JOIN (
    SELECT ledger_first_id(settled_until + interval '1 microsecond') AS bound FROM ({newest_mark("settled_until")}) w
) m
"""

_WEBHOOKS = "SELECT status, count(*) FROM events_webhook WHERE status <> 'deleted' GROUP BY status"

_OPEN = f"""
SELECT d.status, count(*) FROM (SELECT status FROM events_delivery WHERE status <> 'delivered' LIMIT {MOST_COUNTED}) d GROUP BY d.status
"""

_OLDEST = """
SELECT coalesce(extract(epoch FROM clock_timestamp() - min(d.created_at)), 0)::float FROM events_webhook w
CROSS JOIN LATERAL (
    SELECT created_at FROM events_delivery WHERE webhook_id = w.id AND status = 'pending' ORDER BY id LIMIT 1
) d
WHERE w.status = 'enabled'
"""


_MAILS = f"""
SELECT m.status, count(*) FROM (
    SELECT status FROM events_receiptmail WHERE status NOT IN ('sent', 'unwanted') LIMIT {MOST_COUNTED}) m GROUP BY m.status
"""
_OLDEST_MAIL = """
SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float
FROM events_receiptmail WHERE status = 'pending' AND status NOT IN ('sent', 'unwanted')
"""


class DeliveryState(NamedTuple):
    """How it is now.

    Seconds that each consumer is behind the settled feed; numbers of webhooks and open deliveries
    by status; the age in seconds of the oldest delivery that an enabled webhook waits for; numbers
    of mails that are not sent by status, and the age in seconds of the oldest that waits.
    """

    consumer_lags_s: Mapping[str, float]
    webhooks: Mapping[str, int]
    deliveries: Mapping[str, int]
    oldest_pending_s: float
    mails: Mapping[str, int]
    oldest_mail_s: float


def get_delivery_state() -> DeliveryState:
    """Return the state. Six round trips. Synchronous."""
    return DeliveryState(_by_name(_CONSUMERS), _by_name(_WEBHOOKS), _by_name(_OPEN), _age(_OLDEST), _by_name(_MAILS), _age(_OLDEST_MAIL))


def _by_name(statement: str) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return dict(cursor.fetchall())


def _age(statement: str) -> float:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cast("float", cursor.fetchone()[0])
