"""Long work on the event loop, in slices: between two of them everybody else has a turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

SLICE = 50
"""Items without a break: about a millisecond of a batch's."""


async def map_in_slices(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Return the function's results in order.

    A batch of a thousand would keep the loop for twenty milliseconds, and the posting thread waiting for the interpreter, while it holds
    the accounts that all others wait for.
    """
    results: list[R] = []
    for number, item in enumerate(items, 1):
        results.append(function(item))
        if number % SLICE == 0:
            await asyncio.sleep(0)
    return results
