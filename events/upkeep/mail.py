"""The mailing of receipts, as periodic work (transfers/upkeep/periodic.py)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cache

import structlog
from django.conf import settings

from events.services.mail import send_due_mails, take_receipts
from events.services.purging import purge_mails

log = structlog.get_logger(__name__)

PURGE_S = 600.0
"""How often to remove mails whose time is over."""


@cache
def _say_where_mail_goes() -> None:
    """Say once a process that mail goes into files, if it does."""
    if settings.EMAIL_BACKEND.endswith("filebased.EmailBackend"):
        log.warning("mail.kept_in_files", folder=str(getattr(settings, "EMAIL_FILE_PATH", "")), hint="EMAIL_URL names a mail server")


class _Purged:
    """When this process has last removed what is over (``time.monotonic()``)."""

    at = 0.0


def _purge(stopping: Callable[[], bool]) -> None:
    if time.monotonic() - _Purged.at > PURGE_S:
        while not stopping() and purge_mails():
            pass
        _Purged.at = time.monotonic()


def mail_receipts(stopping: Callable[[], bool]) -> Mapping[str, object]:
    """Find the receipts that are to be mailed, and send what is due. Say what was sent.

    Several processes may do this at once.
    """
    _say_where_mail_goes()
    while not stopping() and take_receipts():
        pass
    sent = send_due_mails(stopping)
    _purge(stopping)
    return {"mailed": sent} if sent else {}
