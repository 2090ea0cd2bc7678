"""Notices: what a page says once, as a toast, or above its content where no script runs."""

from __future__ import annotations

from dataclasses import dataclass

from ledger_project.kernel.errors import LedgerError
from portal.middleware import request_id


@dataclass(frozen=True, slots=True)
class Notice:
    """Words for people. A failure stays, and has its code and its request to copy."""

    text: str
    kind: str = "success"
    code: str = ""
    request: str = ""


def failure(text: str, error: LedgerError | None = None, *, code: str = "") -> Notice:
    """Return the notice of something that was not done."""
    return Notice(text, "error", code if error is None else error.code, request_id())
