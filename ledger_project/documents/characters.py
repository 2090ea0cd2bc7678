"""Characters that nobody sees: control characters, changes of direction, unassigned ones."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

JOINERS = "\u200c\u200d"
"""They join letters or keep them apart; Persian and Indic scripts need them."""


@lru_cache(maxsize=8192)
def is_seen(character: str) -> bool:
    """Return whether a character is seen, or shapes those beside it."""
    return character in JOINERS or not unicodedata.category(character).startswith("C")


def number_of(character: str) -> str:
    """Return the number of a character, as in ``[U+202E]``."""
    return f"[U+{ord(character):04X}]"
