"""Wake-ups inside one process: those who wait for something to happen need not ask again and again.

What happens in another process is not seen here. So whoever waits also gives up after a time, and
looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading


class Wakeup:
    """Something that happens again and again in this process. ``count`` says how often it did."""

    def __init__(self) -> None:
        self.count = 0
        self._lock = threading.Lock()
        self._waiting: set[asyncio.Future[None]] = set()

    def happen(self) -> None:
        """Wake all who wait. From any thread."""
        with self._lock:
            self.count += 1
            waiting, self._waiting = self._waiting, set()
        for future in waiting:
            with contextlib.suppress(RuntimeError):  # its loop is closed: nobody waits there any more
                future.get_loop().call_soon_threadsafe(_wake, future)

    async def wait(self, seen: int, *, timeout_s: float) -> int:
        """Wait until ``count`` is not ``seen``, ``timeout_s`` seconds at most; return the count.

        Nothing is missed between two waits: a caller hands in the count that it has acted on.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            if self.count != seen:
                return self.count
            self._waiting.add(future)
        try:
            await asyncio.wait_for(future, timeout_s)
        except TimeoutError:
            pass
        finally:
            with self._lock:
                self._waiting.discard(future)
        return self.count


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


POSTED = Wakeup()
"""The engine of this process has committed."""

STOPPING = Wakeup()
"""This process has been asked to end: whoever waits for news shall not wait longer."""

SETTLED = Wakeup()
"""The mark of the feed was moved by this process, or it was seen that another one has moved it."""
