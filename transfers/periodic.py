"""What a serving process does by itself, again and again: giving back the money of holds whose time ran out, and summing up the days."""

from __future__ import annotations

import asyncio
import contextlib
import random

import structlog

from ledger_project.connections import measure_pools
from ledger_project.readers import in_reader
from transfers.services.expiry import expire_due_holds
from transfers.services.rollups import refresh_rollups

log = structlog.get_logger(__name__)

INTERVAL_S = 2.0
"""Pause between sweeps; expired money is promised back within 5 s."""

ROLLUP_INTERVAL_S = 5.0
"""Pause between refreshes of the daily figures; reading them refreshes them too."""

ROLLUP_STEPS = 10
"""Steps of one turn, so that a long history does not keep a reader thread for minutes."""

_tasks: set[asyncio.Task[None]] = set()


async def _sweep_forever() -> None:
    while True:
        measure_pools()
        try:
            released = await in_reader(expire_due_holds)
            if released:
                log.info("holds.expired", released=released)
        except Exception as error:  # noqa: BLE001 - said in the log; the next round tries again
            log.warning("holds.sweep_failed", error=type(error).__name__, detail=str(error)[:200])
        await asyncio.sleep(INTERVAL_S * random.uniform(0.8, 1.2))  # noqa: S311 - so that workers do not sweep in step  # nosec B311


async def _roll_up_forever() -> None:
    while True:
        try:
            await in_reader(refresh_rollups, steps=ROLLUP_STEPS)
        except Exception as error:  # noqa: BLE001 - said in the log; the next round tries again
            log.warning("rollups.refresh_failed", error=type(error).__name__, detail=str(error)[:200])
        await asyncio.sleep(ROLLUP_INTERVAL_S * random.uniform(0.8, 1.2))  # noqa: S311 - as above  # nosec B311


async def start() -> None:
    """Start the loops in the running event loop."""
    _tasks.add(asyncio.create_task(_roll_up_forever(), name="rollups"))
    _tasks.add(asyncio.create_task(_sweep_forever(), name="hold-expiry"))


async def stop() -> None:
    """Stop them."""
    while _tasks:
        task = _tasks.pop()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
