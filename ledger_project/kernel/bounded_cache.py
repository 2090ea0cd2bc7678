"""What is remembered of facts that never change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Remembered(dict[K, V]):
    """A dictionary with a bound: when it would grow beyond, all of it is forgotten, to be found out again.

    A look-up is a dictionary's and takes no lock, while a cache that knows what was used last (cachetools) pays for that with every look,
    3 µs; a transfer looks six times. With room for a hundred thousand, forgetting is rare.
    """

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self._capacity = capacity

    def remember(self, facts: Mapping[K, V]) -> None:
        """Keep these too."""
        if len(self) + len(facts) > self._capacity:
            self.clear()
        self.update(facts)
