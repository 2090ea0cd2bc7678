"""Sending as the database sees it: who sends for a webhook, what is due, and what became of it.

A process takes a lease on webhooks with deliveries that are due, sends these, and gives it back.
The lease is renewed meanwhile. When its process is killed it runs out, and another process goes on:
what was sent and not recorded is sent again. So one process at a time sends for a webhook, which
keeps the order of an ordered one, and nothing is written for a delivery but its outcome.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from msgspec import Struct

from events.domain.retries import GONE, next_attempt, retry_after_s
from events.selectors.waiting_work import TO_BE_SENT
from events.selectors.webhooks import get_webhook
from events.services.deliveries import unflushed
from ledger_project.database.arrays import plain, quoted, uuids, words
from ledger_project.kernel.actors import Actor
from ledger_project.kernel.exact_json import dumps
from ledger_project.kernel.happenings import EventType, Happening, tell
from ledger_project.observability import metrics

LEASE_S = 30
"""Seconds of a lease: an attempt takes half of it at most."""

_LEASE = f"""
UPDATE events_webhook SET leased_by = %(sender)s, leased_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE id = ANY(ARRAY(
    SELECT w.id FROM events_webhook w
    WHERE {TO_BE_SENT}
    ORDER BY w.leased_until NULLS FIRST, w.id LIMIT %(most)s FOR NO KEY UPDATE OF w SKIP LOCKED))
RETURNING id
"""

_RENEW = """
UPDATE events_webhook SET leased_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE id = %(webhook)s AND leased_by = %(sender)s AND status = 'enabled'
RETURNING merchant_id, url, ordered, secret, CASE WHEN previous_expires_at > clock_timestamp() THEN previous_secret END
"""

_RELEASE = "UPDATE events_webhook SET leased_by = NULL, leased_until = NULL WHERE id = %s AND leased_by = %s"

_WAITING = """
SELECT d.id, d.event_id, d.failures, d.tried_since FROM events_delivery d
WHERE d.webhook_id = %(webhook)s AND d.status = 'pending' AND d.id <> ALL(%(known)s::uuid[])
"""
_FETCH_DUE = f"{_WAITING} AND d.next_attempt_at <= clock_timestamp() ORDER BY d.next_attempt_at, d.id LIMIT %(most)s"
_FETCH_NEXT = """
SELECT f.id, f.event_id, f.failures, f.tried_since FROM (
    SELECT d.*, bool_and(d.next_attempt_at <= clock_timestamp()) OVER (ORDER BY d.id) AS is_due FROM (
        SELECT d.id, d.event_id, d.failures, d.tried_since, d.next_attempt_at FROM events_delivery d
        WHERE d.webhook_id = %(webhook)s AND d.status = 'pending' AND d.id <> ALL(%(known)s::uuid[]) ORDER BY d.id LIMIT %(most)s
    ) d
) f WHERE f.is_due ORDER BY f.id
"""

# Of two senders that have sent the same delivery, the first one's success stays.
_RECORD = """
UPDATE events_delivery d SET status = n.status, attempts = d.attempts || n.attempt::jsonb, next_attempt_at = n.next_attempt_at,
    tried_since = coalesce(d.tried_since, n.at), failures = d.failures + (n.status <> 'delivered')::int
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[]) AS n(id, status, attempt, next_attempt_at, at)
WHERE d.id = n.id AND d.webhook_id = %s AND d.status = 'pending'
"""

_NOTE_SUCCESS = "UPDATE events_webhook SET last_delivery_at = %s WHERE id = %s AND (last_delivery_at IS NULL OR last_delivery_at < %s)"

_DISABLE = """
UPDATE events_webhook SET status = 'disabled', disabled_because = %s, leased_by = NULL, leased_until = NULL
WHERE id = %s AND status = 'enabled' RETURNING id
"""


class Receiver(Struct, frozen=True):
    """A webhook as its sender needs it. The secrets are as they are stored, the newest first."""

    id: UUID
    merchant_id: UUID | None
    url: str
    ordered: bool
    secrets: Sequence[str]


class Due(NamedTuple):
    """A delivery that is due, how often it failed since its webhook was enabled, and since when it
    is tried.
    """

    id: UUID
    event_id: UUID
    failures: int
    tried_since: datetime | None


class Sent(NamedTuple):
    """An attempt at a delivery, and its end."""

    delivery: Due
    at: datetime
    status_code: int | None
    duration_ms: int
    error: str | None
    retry_after: str | None

    @property
    def is_success(self) -> bool:
        """Whether the receiver has it."""
        return self.status_code is not None and 200 <= self.status_code < 300

    def as_json(self) -> str:
        """The attempt as it is kept and shown."""
        shown = {
            "at": self.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "status_code": self.status_code,
            "duration_ms": self.duration_ms,
            "error": self.error,
        }
        return dumps(shown).decode()


def lease(sender: UUID, *, most: int) -> list[UUID]:
    """Take the lease of webhooks with deliveries that are due, and return their ids."""
    with unflushed() as cursor:
        cursor.execute(_LEASE, {"sender": sender, "seconds": LEASE_S, "most": most})
        return [row[0] for row in cursor.fetchall()]


def renew(webhook_id: UUID, sender: UUID) -> Receiver | None:
    """Keep a lease, and return the webhook as it is now; None if the lease is another sender's, or
    nothing is to be sent any more.
    """
    with unflushed() as cursor:
        cursor.execute(_RENEW, {"webhook": webhook_id, "sender": sender, "seconds": LEASE_S})
        row = cursor.fetchone()
    if row is None:
        return None
    merchant_id, url, ordered, *stored = row
    return Receiver(webhook_id, merchant_id, url, ordered, [secret for secret in stored if secret is not None])


def release(webhook_id: UUID, sender: UUID) -> None:
    """Give a lease back."""
    with unflushed() as cursor:
        cursor.execute(_RELEASE, [webhook_id, sender])


def fetch_due(receiver: Receiver, *, known: Collection[UUID], most: int) -> list[Due]:
    """Return deliveries that are due, but for those that are ``known`` already, in the order in
    which they are to be sent.

    Of an ordered webhook they are the next ones, up to the first that is not due.
    """
    with connection.cursor() as cursor:
        statement = _FETCH_NEXT if receiver.ordered else _FETCH_DUE
        cursor.execute(statement, {"webhook": receiver.id, "known": plain(known), "most": most})
        return [Due(*row) for row in cursor.fetchall()]


def record(receiver: Receiver, sent: Sequence[Sent]) -> None:
    """Keep attempts.

    A receiver that is gone, and one whose delivery had its last attempt, is disabled, with an
    event. That is flushed to the disk: others may have read the event.
    """
    outcomes = [_outcome(one) for one in sent]
    for status, _, _ in outcomes:
        metrics.WEBHOOK_ATTEMPTS.labels(status).inc()
    reasons = [reason for _, _, reason in outcomes if reason is not None]
    if not reasons:
        with unflushed() as cursor:
            _write(cursor, receiver, sent, outcomes)
        return
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        _write(cursor, receiver, sent, outcomes)
        cursor.execute(_DISABLE, [reasons[0], receiver.id])
        if cursor.fetchone() is not None:
            webhook = get_webhook(receiver.id, Actor("webhooks"))
            facts = {} if webhook is None else {"webhook": webhook.as_json()}
            tell(Happening(EventType.WEBHOOK_DISABLED, merchant_id=receiver.merchant_id, facts=facts))


_Outcome = tuple[str, datetime | None, str | None]
"""A delivery's new status, its next attempt, and why its webhook is to be disabled."""


def _outcome(sent: Sent) -> _Outcome:
    if sent.is_success:
        return "delivered", None, None
    if sent.status_code == GONE:
        return "failed", None, "The receiver answered 410 Gone."
    now = datetime.now(UTC)
    at = next_attempt(
        first_at=sent.delivery.tried_since or sent.at,
        now=now,
        failures=sent.delivery.failures + 1,
        asked_s=retry_after_s(sent.retry_after, now=now),
        chance=random.random(),
    )
    if at is None:
        return "failed", None, "A delivery failed for three days."
    return "pending", at, None


def _write(cursor: CursorWrapper, receiver: Receiver, sent: Sequence[Sent], outcomes: Sequence[_Outcome]) -> None:
    columns = [
        uuids(one.delivery.id for one in sent),
        words(status for status, _, _ in outcomes),
        quoted(one.as_json() for one in sent),
        quoted(None if at is None else at.isoformat() for _, at, _ in outcomes),
        quoted(one.at.isoformat() for one in sent),
    ]
    cursor.execute(_RECORD, [*columns, receiver.id])
    delivered_at = max((one.at for one in sent if one.is_success), default=None)
    if delivered_at is not None:
        cursor.execute(_NOTE_SUCCESS, [delivered_at, receiver.id, delivered_at])
