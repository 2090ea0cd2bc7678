"""Hooks for the start and the end of a serving process.

Apps register them in ``AppConfig.ready``; asgi.py runs them.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger(__name__)

Hook = Callable[[], Awaitable[None]]

_startup: list[Hook] = []
_shutdown: list[Hook] = []


def on_startup(hook: Hook) -> None:
    """Register a coroutine function to run before the first request."""
    _startup.append(hook)


def on_shutdown(hook: Hook) -> None:
    """Register a coroutine function to run after the last request.

    The last registered runs first.
    """
    _shutdown.append(hook)


async def startup() -> None:
    """Run the start-up hooks."""
    for hook in _startup:
        await hook()
    settle_heap()


def settle_heap() -> None:
    """Exempt loaded objects from garbage collection for good, and collect younger ones less often.

    Django, DRF and the models are some hundred thousand objects that live as long as the process.
    The collector would walk all of them in the middle of a request, which took a good part of the
    slowest percent.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


async def shutdown() -> None:
    """Run the shutdown hooks in reverse order."""
    for hook in reversed(_shutdown):
        await hook()


_failed: list[str] = []


def must_live(task: asyncio.Task[None]) -> None:
    """End the process, as for SIGTERM, if this task fails.

    A supervisor then starts a new process.
    """
    task.add_done_callback(_check_end)


def failed_tasks() -> list[str]:
    """Return the names of the failed tasks that the process needs."""
    return list(_failed)


def _check_end(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is None:
        return
    _failed.append(task.get_name())
    log.critical("task.failed", task=task.get_name(), exc_info=error)
    end_process()


def end_process() -> None:
    """Ask this process to end. Running requests are answered first."""
    os.kill(os.getpid(), signal.SIGTERM)
