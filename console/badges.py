"""Numbers in the menu: what waits for an operator. Each costs a page a look into a small index."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from approvals.selectors.approvals import waiting
from transfers.selectors.deposit_requests import waiting_requests

MOST = 99
"""The largest number that is counted."""


def waiting_approvals(_request: HttpRequest) -> str:
    """Return how many commands wait for a second person; nothing if none does."""
    return number(waiting())


def waiting_deposits(_request: HttpRequest) -> str:
    """Return how many requests to add money wait; nothing if none does."""
    return number(waiting_requests())


def number(rows: QuerySet[Any]) -> str:
    """Return how many rows there are, up to ``MOST``; nothing if there is none."""
    count = rows[: MOST + 1].count()
    return f"{MOST}+" if count > MOST else str(count or "")
