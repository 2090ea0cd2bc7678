"""Unit tests need no database."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def ledger() -> None:
    """Start nothing: this stands in the place of the database of the other tests."""
