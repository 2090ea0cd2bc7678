"""Mails that wait in the database: how long a claim holds, when to try again, and a turn of them.

Whoever has such mails claims one by a lease, commits, sends, and then notes what became of it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from django.core.mail import get_connection
from django.core.mail.backends.base import BaseEmailBackend

Claim = TypeVar("Claim")

LEASE = timedelta(minutes=5)
"""A claim holds for so long. A mail server has EMAIL_TIMEOUT, less than this, for each answer."""

MOST_ATTEMPTS = 12
"""Attempts at one mail: they take about three days."""

MOST_MAILS = 100
"""Mails of one turn: a long queue must not keep a thread."""

_FIRST_PAUSE = timedelta(seconds=30)
_LONGEST_PAUSE = timedelta(hours=12)


def pause_after(attempts: int) -> timedelta | None:
    """Return the time from the last of so many attempts to the next; None if it was the last."""
    return None if attempts >= MOST_ATTEMPTS else min(_FIRST_PAUSE * 2 ** (attempts - 1), _LONGEST_PAUSE)


def send_claimed(claim: Callable[[], Claim | None], send: Callable[[Claim, BaseEmailBackend], bool], stopping: Callable[[], bool]) -> int:
    """Send what can be claimed, and return how many mails were sent.

    ``send`` says whether it sent the mail. Several processes may do this at once. ``stopping`` is
    asked before each: the process is to end.
    """
    sent, server = 0, None
    try:
        for _ in range(MOST_MAILS):
            claimed = None if stopping() else claim()
            if claimed is None:
                break
            server = server or get_connection()
            sent += send(claimed, server)
    finally:
        if server is not None:
            server.close()
    return sent
