"""What is to be done when a serving process starts and before it ends. Apps register in ``AppConfig.ready``; asgi.py runs it."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable

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
