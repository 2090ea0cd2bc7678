"""The order of the tests of services."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the random steps first: they go over the whole ledger, which is small then."""
    items.sort(key=lambda item: item.path.name != "test_state_machine.py")
