"""Telling a history afterwards: for demo data only. Nothing that a caller, an operator or an imported file can reach gets here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from transfers.domain.commands import Command
from transfers.posting import engine
from transfers.posting.backdating import NotAfterHistory, end_of_history
from transfers.posting.jobs import UNREAD, Item, Job, Result
from transfers.posting.synchronous import bare

__all__ = ["NotAfterHistory", "end_of_history", "post_then"]


def post_then(commands: Sequence[tuple[Command, datetime]]) -> list[Result]:
    """Post commands that happened at these moments, in one transaction, each refused or posted on its own.

    Raises ``NotAfterHistory``, and posts nothing, unless all moments are later than everything in the journal, in order, and past
    (``store/backdating.py`` says why).
    """
    items = [Item(command, bare) for command, _ in commands]
    return engine.submit_now(Job(items, UNREAD, moments=[moment for _, moment in commands])).items
