"""What is to be done when a serving process starts and before it ends. Apps register in ``AppConfig.ready``; asgi.py runs it."""

from __future__ import annotations

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


async def shutdown() -> None:
    """Run the shutdown hooks in reverse order."""
    for hook in reversed(_shutdown):
        await hook()
