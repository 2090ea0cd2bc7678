"""The mailing of receipts, as periodic work (transfers/upkeep/periodic.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import structlog
from django.conf import settings

from events.services.mail import send_due_mails, take_receipts

log = structlog.get_logger(__name__)


@cache
def _say_where_mail_goes() -> None:
    """Say once a process that mail goes into files, if it does."""
    if settings.EMAIL_BACKEND.endswith("filebased.EmailBackend"):
        log.warning("mail.kept_in_files", folder=str(getattr(settings, "EMAIL_FILE_PATH", "")), hint="EMAIL_URL names a mail server")


def mail_receipts(stopping: Callable[[], bool]) -> Mapping[str, object]:
    """Find the receipts that are to be mailed, and send what is due. Say what was done.

    Several processes may do this at once.
    """
    _say_where_mail_goes()
    while not stopping() and take_receipts():
        pass
    sent = send_due_mails(stopping)
    return {"mailed": sent} if sent else {}
