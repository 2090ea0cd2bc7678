"""A turn: the deliveries of one webhook are sent, while this process has its lease."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from django.conf import settings
from django.utils.module_loading import import_string
from msgspec import Struct

from events.selectors.feed import FeedPage, read_events
from events.sending.attempts import Attempt
from events.sending.signatures import signed_headers
from events.sending.threads import DatabaseThreads
from events.services.secrets import unsealed
from events.services.sending import LEASE_S, Due, Receiver, Sent, fetch_due, record, release, renew
from ledger_project.kernel.actors import Actor

if TYPE_CHECKING:
    from events.sending.client import Client

log = structlog.get_logger(__name__)

_PAGE = 100
"""Deliveries that are read at once."""

_RECORDED_AT_ONCE = 50
_RECORD_S = 0.05
"""Outcomes are recorded together, this late at most."""

_WAIT_S = 0.25
_LOOK_S = 1.0
"""How often to look for more, while all that is being sent hangs."""

_FIRST_WIDTH, _LARGEST_WIDTH = 4, 32
"""Requests to one receiver at a time. A good receiver gets one more after each answer, a bad one
half as many."""

_STOP_S = 5.0
"""Seconds that requests under way have when the process ends."""


class Shared(Struct):
    """What the turns of one process share.

    ``slots`` are the requests that may be under way in all. ``widths`` remembers how many requests
    a bad receiver may have. ``made`` counts the deliveries that this process has made.
    """

    sender: UUID
    client: Client | None
    threads: DatabaseThreads
    slots: asyncio.Semaphore
    stopping: asyncio.Event
    widths: dict[UUID, int]
    made: int = 0


class _Message(Struct, frozen=True):
    """A delivery with what is sent: the body, None if there is none."""

    delivery: Due
    body: str | None


@cache
def _writer() -> Callable[[FeedPage], Sequence[str]]:
    """Return the function that the setting ``LEDGER_EVENT_WRITER`` names."""
    found: Callable[[FeedPage], Sequence[str]] = import_string(settings.LEDGER_EVENT_WRITER)
    return found


async def _bodies(event_ids: Sequence[UUID], receiver: Receiver) -> Mapping[UUID, str]:
    """Return the JSON of events, as the webhook's owner sees them."""
    page = await read_events(event_ids, viewer=Actor(f"webhook:{receiver.id}", receiver.merchant_id))
    return {UUID(item.id): text for item, text in zip(page.items, _writer()(page), strict=True)}


class Turn:
    """The sending for one webhook."""

    def __init__(self, webhook_id: UUID, shared: Shared) -> None:
        self._id, self._shared = webhook_id, shared
        self._receiver: Receiver | None = None
        self._secrets: list[str] = []
        self._ours_until = 0.0
        self._queue: deque[_Message] = deque()
        self._running: dict[asyncio.Task[Sent | None], UUID] = {}
        self._done: list[Sent] = []
        self._done_since = 0.0
        self._looked_at = 0.0
        self._made_seen = 0
        self._saw_all = False
        self._is_over = False
        self._width = shared.widths.get(webhook_id, _FIRST_WIDTH)

    async def run(self) -> None:
        """Send until nothing is due, the lease is lost, or the process ends."""
        try:
            await self._look()
            while self._queue or self._running or self._done:
                if self._shared.stopping.is_set():
                    await self._stop()
                self._start_sending()
                await self._wait()
                await self._record()
                await self._look()
        finally:
            for task in self._running:
                task.cancel()
            await self._shared.threads.run(release, self._id, self._shared.sender)

    # --- what is to be sent -----------------------------------------------------------------------

    def _wants_more(self, now: float) -> bool:
        """Whether to look for deliveries that are due."""
        if self._receiver is not None and self._receiver.ordered:
            return not (self._queue or self._running or self._done)  # what comes next depends on these
        if not self._saw_all:
            return len(self._queue) < _PAGE // 2
        if self._queue:
            return False
        if not self._running and not self._done:
            return True
        since_s = now - self._looked_at
        return since_s >= _LOOK_S or (self._made_seen != self._shared.made and since_s >= _RECORD_S)

    async def _look(self) -> None:
        """Read what is due if little is left, and keep the lease."""
        now = time.monotonic()
        wants_more = self._wants_more(now)
        if self._is_over or not (wants_more or now > self._ours_until - LEASE_S / 2):
            return
        receiver = await self._shared.threads.run(renew, self._id, self._shared.sender)
        if receiver is None or self._shared.stopping.is_set():
            self._end()
            return
        self._ours_until = now + LEASE_S
        if receiver != self._receiver:
            self._receiver, self._secrets = receiver, [secret for stored in receiver.secrets if (secret := unsealed(stored)) is not None]
        if receiver.ordered:
            self._width = 1
        if wants_more:
            self._looked_at, self._made_seen = now, self._shared.made
            await self._fetch(receiver)

    async def _fetch(self, receiver: Receiver) -> None:
        known = [*self._running.values(), *(sent.delivery.id for sent in self._done), *(message.delivery.id for message in self._queue)]
        due = await self._shared.threads.run(fetch_due, receiver, known=known, most=_PAGE)
        self._saw_all = len(due) < _PAGE
        if due:
            bodies = await _bodies([one.event_id for one in due], receiver)
            self._queue.extend(_Message(one, bodies.get(one.event_id)) for one in due)

    def _end(self) -> None:
        """Send nothing more."""
        self._is_over = True
        self._queue.clear()

    async def _stop(self) -> None:
        self._end()
        if self._running:
            _, left = await asyncio.wait(self._running, timeout=_STOP_S)
            for task in left:
                task.cancel()

    # --- sending ----------------------------------------------------------------------------------

    def _start_sending(self) -> None:
        while self._queue and len(self._running) < self._width:
            message = self._queue.popleft()
            self._running[asyncio.create_task(self._send(message))] = message.delivery.id

    async def _send(self, message: _Message) -> Sent | None:
        """Send a delivery; None if the lease may be another process's by now."""
        receiver = self._receiver
        assert receiver is not None  # nothing is in the queue before it is read
        async with self._shared.slots:
            at = datetime.now(UTC)
            if time.monotonic() > self._ours_until - LEASE_S / 2:
                return None
            attempt = await self._attempt(receiver, message, at)
        return Sent(message.delivery, at, attempt.status_code, attempt.duration_ms, attempt.error, attempt.retry_after)

    async def _attempt(self, receiver: Receiver, message: _Message, at: datetime) -> Attempt:
        if message.body is None:
            log.error("webhook.event_unreadable", webhook_id=str(self._id), event_id=str(message.delivery.event_id))
            return Attempt(None, 0, "the service cannot read the event")
        if not self._secrets:
            return Attempt(None, 0, "the service cannot read the secret; rotate it")
        assert self._shared.client is not None  # it is there before a turn begins
        headers = signed_headers(str(message.delivery.event_id), message.body, secrets=self._secrets, now=at)
        return await self._shared.client.post(receiver.url, headers, message.body.encode())

    async def _wait(self) -> None:
        """Wait for an answer, or until outcomes are to be recorded."""
        if not self._running:
            return
        timeout_s = _RECORD_S if self._done else _WAIT_S
        finished, _ = await asyncio.wait(self._running, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        for task in finished:
            del self._running[task]
            sent = None if task.cancelled() else task.result()
            if sent is None:
                continue
            if not self._done:
                self._done_since = time.monotonic()
            self._done.append(sent)
            self._learn(sent)

    def _learn(self, sent: Sent) -> None:
        """Adapt to the receiver."""
        assert self._receiver is not None
        if self._receiver.ordered:
            if not sent.is_success:
                self._end()
        elif sent.is_success:
            self._width = min(self._width + 1, _LARGEST_WIDTH)
        elif sent.status_code is None:
            self._width = max(self._width // 2, 1)
        if self._width < _FIRST_WIDTH and not self._receiver.ordered:
            self._shared.widths[self._id] = self._width
        else:
            self._shared.widths.pop(self._id, None)

    async def _record(self) -> None:
        is_late = time.monotonic() - self._done_since >= _RECORD_S
        is_last = not self._running and not self._queue
        if not self._done or not (is_late or is_last or len(self._done) >= _RECORDED_AT_ONCE):
            return
        assert self._receiver is not None
        sent, self._done = self._done, []
        await self._shared.threads.run(record, self._receiver, sent)
