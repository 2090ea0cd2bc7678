"""Deliveries are made of events, for all webhooks at once.

All webhooks follow one cursor, that of the consumer ``webhooks``. A round reads the events between
it and the mark of the feed, inserts a delivery for each webhook that wants an event, and moves the
cursor, in one transaction: so each event becomes a delivery once, whichever process does it and
whenever it is killed.

A webhook has a cursor of its own while it is not where the others are: it is new, it has too many
deliveries that wait, or its events are sent once more. Then it catches up by itself, a page in
each round, and joins the others where it meets them. So a receiver that is down for weeks fills no
table: its events wait in the journal.

These transactions are not flushed to the disk before they count (``synchronous_commit``). A crash
of the database may take back a round, with its cursor: the events become deliveries again, with
the same ids for their receivers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from events.domain.subscriptions import chosen_types
from events.selectors.headers import Header, chosen_headers, headers_after, last_settled_id
from ledger_project.database.arrays import plain, uuids, words
from ledger_project.database.fields import new_id

CONSUMER = "webhooks"
"""The name of the cursor that all webhooks share."""

PAGE = 1000
"""Events of a round at most."""

MOST_WAITING = 10_000
"""Deliveries of a webhook that may wait. Further events wait in the journal until half are gone."""

_CATCHING_UP = 20
"""Webhooks that catch up in one round."""

_TAKE_TURN = "SELECT cursor FROM events_consumer WHERE name = %s FOR UPDATE SKIP LOCKED"
_MOVE = "UPDATE events_consumer SET cursor = %s, moved_at = clock_timestamp() WHERE name = %s AND cursor IS DISTINCT FROM %s"

_FOLLOWERS = "SELECT id, merchant_id, types, cursor FROM events_webhook WHERE status <> 'deleted' AND cursor IS NULL"

# Those with the smallest cursors: with no followers, the others follow the first one.
_LEFT_BEHIND = """
SELECT w.id, w.merchant_id, w.types, w.cursor FROM events_webhook w WHERE w.status <> 'deleted' AND w.cursor IS NOT NULL
    AND (SELECT count(*) FROM (SELECT FROM events_delivery d WHERE d.webhook_id = w.id AND d.status = 'pending' LIMIT %s) p) < %s
ORDER BY w.cursor, w.id LIMIT %s FOR NO KEY UPDATE OF w SKIP LOCKED
"""

_SET_CURSOR = "UPDATE events_webhook SET cursor = %s WHERE id = %s"

_LEAVE_BEHIND = """
UPDATE events_webhook w SET cursor = %s
WHERE w.status <> 'deleted' AND w.cursor IS NULL
    AND (SELECT count(*) FROM (SELECT FROM events_delivery d WHERE d.webhook_id = w.id AND d.status = 'pending' LIMIT %s) p) >= %s
"""

_INSERT = """
INSERT INTO events_delivery (id, webhook_id, event_id, type, status, attempts, failures, next_attempt_at, created_at)
SELECT n.id, n.webhook_id, n.event_id, n.type, 'pending', '[]', 0, clock_timestamp(), clock_timestamp()
FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[]) AS n(id, webhook_id, event_id, type)
"""


class Round(NamedTuple):
    """What a round did: the deliveries that it made, and whether there is more to do at once."""

    made: int
    is_unfinished: bool


class _Subscriber(NamedTuple):
    """A webhook as a round sees it. ``types`` are None for all."""

    id: UUID
    merchant_id: UUID | None
    types: frozenset[str] | None
    cursor: UUID | None

    @classmethod
    def read(cls, row: tuple[UUID, UUID | None, list[str], UUID | None]) -> _Subscriber:
        """Return the subscriber of a row."""
        return cls(row[0], row[1], chosen_types(row[2]), row[3])

    def wants(self, header: Header) -> bool:
        """Whether an event is of one of its types."""
        return self.types is None or header.type in self.types


@contextmanager
def unflushed() -> Iterator[CursorWrapper]:
    """Open a transaction that a crash of the database may take back as a whole."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('synchronous_commit', 'off', true)")
        yield cursor


def make_deliveries(*, is_check: bool) -> Round:
    """Make deliveries of the events that are settled; of at most ``PAGE`` events for the webhooks
    that follow.

    ``is_check`` looks for webhooks with too many deliveries that wait, too. Does nothing while
    another process does it.
    """
    with unflushed() as cursor:
        cursor.execute(_TAKE_TURN, [CONSUMER])
        row = cursor.fetchone()
        if row is None:
            return Round(0, is_unfinished=False)
        return _round(cursor, row[0], is_check=is_check)


def _round(cursor: CursorWrapper, shared: UUID | None, *, is_check: bool) -> Round:
    """Do a round. Its statements come after the one that has locked the cursor."""
    until = last_settled_id()
    cursor.execute(_FOLLOWERS)
    followers = [_Subscriber.read(row) for row in cursor.fetchall()]
    made, is_unfinished = 0, False
    if followers and shared is not None and shared < until:
        headers = headers_after(shared, until=until, limit=PAGE)
        made += insert_deliveries(_pairs(followers, headers))
        is_unfinished = len(headers) == PAGE
        shared = headers[-1].id if is_unfinished else until
        if is_check:
            cursor.execute(_LEAVE_BEHIND, [shared, MOST_WAITING, MOST_WAITING])
    cursor.execute(_LEFT_BEHIND, [MOST_WAITING // 2, MOST_WAITING // 2, _CATCHING_UP])
    behind = [_Subscriber.read(row) for row in cursor.fetchall()]
    if behind and not followers:
        shared = behind[0].cursor
    for subscriber in behind:
        step = _catch_up(cursor, subscriber, shared)
        made, is_unfinished = made + step.made, is_unfinished or step.is_unfinished
    cursor.execute(_MOVE, [shared, CONSUMER, shared])
    return Round(made, is_unfinished)


def _catch_up(cursor: CursorWrapper, subscriber: _Subscriber, shared: UUID | None) -> Round:
    """Make a page of deliveries for a webhook that is behind the shared cursor, or let it join
    there. One that is ahead waits for the others.
    """
    after = subscriber.cursor
    assert after is not None  # it is behind
    assert shared is not None  # and then somebody has a cursor
    if after > shared:
        return Round(0, is_unfinished=False)
    headers = chosen_headers(after, until=shared, merchant_id=subscriber.merchant_id, types=subscriber.types, limit=PAGE)
    is_unfinished = len(headers) == PAGE
    cursor.execute(_SET_CURSOR, [headers[-1].id if is_unfinished else None, subscriber.id])
    return Round(insert_deliveries((subscriber.id, header) for header in headers), is_unfinished)


def _pairs(subscribers: Sequence[_Subscriber], headers: Iterable[Header]) -> Iterator[tuple[UUID, Header]]:
    """Yield each webhook with each event that it gets."""
    by_merchant: dict[UUID | None, list[_Subscriber]] = {}
    for subscriber in subscribers:
        by_merchant.setdefault(subscriber.merchant_id, []).append(subscriber)
    for header in headers:
        for merchant_id in (None, *dict.fromkeys(header.merchants)):
            for subscriber in by_merchant.get(merchant_id, ()):
                if subscriber.wants(header):
                    yield subscriber.id, header


def insert_deliveries(pairs: Iterable[tuple[UUID, Header]]) -> int:
    """Insert a delivery for each webhook and event, in this order, and return how many."""
    rows = [(new_id(), webhook_id, header) for webhook_id, header in pairs]
    if rows:
        columns: Mapping[str, str] = {
            "id": uuids(made for made, _, _ in rows),
            "webhook": plain(webhook_id for _, webhook_id, _ in rows),
            "event": plain(header.id for _, _, header in rows),
            "type": words(header.type for _, _, header in rows),
        }
        with connection.cursor() as cursor:
            cursor.execute(_INSERT, list(columns.values()))
    return len(rows)
