"""What is to be done when a serving process starts and before it ends. Apps register in ``AppConfig.ready``; asgi.py runs it."""

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
    """Have a coroutine function run before the first request."""
    _startup.append(hook)


def on_shutdown(hook: Hook) -> None:
    """Have a coroutine function run after the last request; the last registered runs first."""
    _shutdown.append(hook)


async def startup() -> None:
    """Run the start-up hooks."""
    for hook in _startup:
        await hook()
    _settle_heap()


def _settle_heap() -> None:
    """Take what was loaded so far out of garbage collection for good, and collect less often what is younger.

    Django, DRF and the models are some hundred thousand objects that live as long as the process. Without this the collector walks all of
    them every now and then, in the middle of a request: that was a good part of the slowest percent.
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
    """Have the process end, as for SIGTERM, if this task fails: nobody else does its work, and a supervisor starts a new process."""
    task.add_done_callback(_check_end)


def failed_tasks() -> list[str]:
    """Return the names of the tasks that had to live and failed."""
    return list(_failed)


def _check_end(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is None:
        return
    _failed.append(task.get_name())
    log.critical("task.failed", task=task.get_name(), exc_info=error)
    end_process()


def end_process() -> None:
    """Ask this process to end: requests under way are answered first."""
    os.kill(os.getpid(), signal.SIGTERM)
