"""How long the tests take: ``make test`` runs a short form of the longest ones, ``make test-long`` all of each."""

from __future__ import annotations

from typing import TypeVar

import pytest

from tests.environment import IS_LONG

T = TypeVar("T")

long_only = pytest.mark.long
"""For a test of which another one in the same module is the short form. It is left out, and counted as such (tests/conftest.py)."""


def length(*, short: T, long: T) -> T:
    """Return what this run is to take."""
    return long if IS_LONG else short
