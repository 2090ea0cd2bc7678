"""Threads of our own for synchronous reads.

Django starts a new thread for each request that leaves the event loop. These threads and their
connections live as long as the process.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.conf import settings

from ledger_project.database.connections import drop_connection, use_own_connection
from ledger_project.database.sqlstates import drops_connection

P = ParamSpec("P")
T = TypeVar("T")

_executor: ThreadPoolExecutor | None = None


def _run(function: Callable[[], T]) -> T:
    """Run the function; once more on a new connection if the old one was lost or is of no use."""
    try:
        return function()
    except Exception as error:
        if not drops_connection(error):
            raise
        drop_connection()
    try:
        return function()
    except Exception as error:
        if drops_connection(error):
            drop_connection()
        raise


async def in_reader(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a synchronous function on a reader thread and return its result.

    It runs once more after a lost connection, so its second run must do no harm.
    """
    global _executor  # noqa: PLW0603 - one per process, made on first use so that a fork before it does no harm
    if _executor is None:
        _executor = ThreadPoolExecutor(
            max_workers=settings.LEDGER_READER_THREADS, thread_name_prefix="reader", initializer=use_own_connection
        )
    call = partial(contextvars.copy_context().run, _run, partial(function, *args, **kwargs))
    return await asyncio.get_running_loop().run_in_executor(_executor, call)
