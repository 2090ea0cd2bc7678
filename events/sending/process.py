"""The sender in the life of a process: beside requests, or in the worker."""

from __future__ import annotations

import asyncio

from django.conf import settings

from events.sending.sender import Sender
from events.sending.trials import close_client
from ledger_project.process.lifecycle import must_live

_running: dict[asyncio.Event, asyncio.Task[None]] = {}


async def send_until(stopping: asyncio.Event) -> None:
    """Send the deliveries of webhooks until ``stopping`` is set; then end what is under way."""
    await Sender(stopping).run()


async def start() -> None:
    """Start the sender of a web process, unless ``LEDGER_PERIODIC`` leaves it to the worker."""
    if settings.LEDGER_PERIODIC == "web":
        stopping = asyncio.Event()
        task = _running[stopping] = asyncio.create_task(send_until(stopping), name="webhooks")
        must_live(task)


async def stop() -> None:
    """Stop it, and close the client of those who try webhooks out."""
    while _running:
        stopping, task = _running.popitem()
        stopping.set()
        await task
    await close_client()
