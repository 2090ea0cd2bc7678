"""The sender of a process: it makes deliveries of events and has them sent.

A loop of our own, and no queue of jobs: a job would be one more row for each delivery, inserted,
locked, updated and deleted, and each insert a NOTIFY. Here the deliveries themselves are the queue.
Any number of processes may do this at once. Each webhook has one sender at a time (the lease in
services/sending.py), and webhooks do not wait for each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from uuid import UUID, uuid4

import structlog

from events.selectors.waiting_work import waiting_work
from events.sending.threads import DatabaseThreads
from events.sending.trials import new_client
from events.sending.turns import Shared, Turn
from events.services.deliveries import CONSUMER, make_deliveries
from events.services.purging import purge_deliveries
from events.services.sending import lease, release
from ledger_project.process.wakeups import SETTLED

log = structlog.get_logger(__name__)

POLL_S = 0.25
"""How often to look for deliveries that are due, and for what other processes have settled."""

_SLOTS = 256
"""Requests under way in a process."""

_TURNS = 256
"""Webhooks that a process sends for at a time."""

_CHECK_S = 5.0
"""How often to look for webhooks with too many deliveries that wait."""

_PURGE_S = 600.0
"""How often to remove deliveries whose time is over."""

_AFTER_FAILURE_S = 1.0


class Sender:
    """The sender of the running loop."""

    def __init__(self, stopping: asyncio.Event) -> None:
        self._stopping = stopping
        self._threads = DatabaseThreads()
        self._shared = Shared(uuid4(), None, self._threads, asyncio.Semaphore(_SLOTS), stopping, {})
        self._turns: dict[UUID, asyncio.Task[None]] = {}
        self._unreleased: set[UUID] = set()
        self._checked_at = self._purged_at = 0.0

    async def run(self) -> None:
        """Make deliveries and send them until ``stopping`` is set; then end what is under way."""
        try:
            while not self._stopping.is_set():
                seen, is_unfinished = SETTLED.count, False
                try:
                    is_unfinished = await self._step()
                except Exception as error:  # noqa: BLE001 - said in the log; the next round tries again
                    log.warning("webhooks.failed", error=type(error).__name__, detail=str(error)[:200])
                    await self._pause(_AFTER_FAILURE_S)
                if not is_unfinished:
                    await SETTLED.wait(seen, timeout_s=POLL_S)
        finally:
            await self._close()

    async def _step(self) -> bool:
        """Make a page of deliveries and take leases; return whether there is more to do at once."""
        await self._release()
        await self._purge()
        made_before = self._shared.made
        waiting = await self._threads.run(waiting_work, CONSUMER)
        is_unfinished = waiting.to_make and await self._make()
        room = _TURNS - len(self._turns)
        if room > 0 and (waiting.to_send or self._shared.made != made_before):
            self._shared.client = self._shared.client or await new_client()
            for webhook_id in await self._threads.run(lease, self._shared.sender, most=room):
                self._begin(webhook_id)
        return is_unfinished

    async def _make(self) -> bool:
        is_check = time.monotonic() - self._checked_at > _CHECK_S
        if is_check:
            self._checked_at = time.monotonic()
        done = await self._threads.run(make_deliveries, is_check=is_check)
        self._shared.made += done.made
        return done.is_unfinished

    async def _release(self) -> None:
        """Give back leases of turns that failed. They could not do it while the database was away,
        and nobody sends for a webhook until its lease is over.
        """
        while left := self._unreleased - self._turns.keys():
            webhook_id = left.pop()
            await self._threads.run(release, webhook_id, self._shared.sender)
            self._unreleased.discard(webhook_id)

    async def _purge(self) -> None:
        if time.monotonic() - self._purged_at > _PURGE_S and not await self._threads.run(purge_deliveries):
            self._purged_at = time.monotonic()

    def _begin(self, webhook_id: UUID) -> None:
        task = asyncio.create_task(Turn(webhook_id, self._shared).run(), name=f"webhook {webhook_id}")
        self._turns[webhook_id] = task
        task.add_done_callback(lambda ended: self._end(webhook_id, ended))

    def _end(self, webhook_id: UUID, ended: asyncio.Task[None]) -> None:
        self._turns.pop(webhook_id, None)
        error = None if ended.cancelled() else ended.exception()
        if error is not None:
            self._unreleased.add(webhook_id)
            log.warning("webhooks.turn_failed", webhook_id=str(webhook_id), error=type(error).__name__, detail=str(error)[:200])

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _close(self) -> None:
        """End what is under way, then close all connections."""
        self._stopping.set()
        if self._turns:
            await asyncio.wait(list(self._turns.values()))
        if self._shared.client is not None:
            await self._shared.client.close()
        await self._threads.close()
