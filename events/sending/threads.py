"""Threads of the senders, with connections of their own: a slow read of a caller never holds up a
delivery, nor the other way round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from ledger_project.database.connections import drop_connection, use_own_connection
from ledger_project.database.sqlstates import drops_connection

P = ParamSpec("P")
T = TypeVar("T")

_THREADS = 2


def _run(function: Callable[[], T]) -> T:
    """Run a function; once more on a new connection if the old one was lost."""
    try:
        return function()
    except Exception as error:
        if not drops_connection(error):
            raise
        drop_connection()
    return function()


class DatabaseThreads:
    """The threads of one sender. ``close`` ends them."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="sender", initializer=use_own_connection)

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a synchronous function there. It runs once more after a lost connection."""
        call = partial(_run, partial(function, *args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    async def close(self) -> None:
        """Wait for what runs, and close the connections."""
        closing = [self.run(drop_connection) for _ in range(_THREADS)]
        await asyncio.gather(*closing)
        self._executor.shutdown(wait=False)
