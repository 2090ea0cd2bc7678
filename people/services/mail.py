"""The mail that invites a user: it has the link to choose a password. Synchronous.

Inviting sets ``mail_due_at`` in the transaction that makes the user, so no mail is forgotten when a
process is killed. ``send_due_invitations`` claims a user for a while, sends, and then notes that it
was sent. A process that is killed between the last two leaves the mail to be sent again: a second
mail with the same link in effect is better than none.
"""

from __future__ import annotations

from collections.abc import Callable
from smtplib import SMTPException

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection, transaction

from ledger_project.database.clock import database_now
from ledger_project.process.mail_queue import LEASE, pause_after, send_claimed
from people.models import User
from people.services.activation import LIFETIME, activation_token

log = structlog.get_logger(__name__)

_CLAIM = """
UPDATE people_user SET mail_attempts = mail_attempts + 1, mail_due_at = clock_timestamp() + make_interval(secs => %s)
WHERE id = (
    SELECT id FROM people_user WHERE mail_due_at <= clock_timestamp() ORDER BY mail_due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id
"""


def request_invitation(user: User) -> None:
    """Have the invitation of a user sent soon, once. The caller saves the row.

    A user gets none who has no address, has a password already, or is suspended.
    """
    wanted = bool(user.email) and user.is_active and user.activated_at is None
    user.mail_due_at, user.mail_attempts = (database_now() if wanted else None), 0


def send_due_invitations(stopping: Callable[[], bool]) -> int:
    """Send the invitations that are due, and return how many were sent.

    Several processes may do this at once. ``stopping`` is asked before each: the process is to end.
    """
    return send_claimed(_claimed, _sent, stopping)


def _claimed() -> User | None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CLAIM, [LEASE.total_seconds()])
        row = cursor.fetchone()
        return None if row is None else User.objects.get(pk=row[0])


def _sent(user: User, server: BaseEmailBackend) -> bool:
    """Send a mail and note it; return whether it was sent."""
    claim = User.objects.filter(pk=user.pk, mail_attempts=user.mail_attempts, mail_due_at=user.mail_due_at)
    if not user.is_active or not user.email or user.activated_at is not None:
        claim.update(mail_due_at=None)
        return False
    try:
        server.open()
        _message(user, server).send()
    except (SMTPException, OSError) as error:
        server.close()
        # The address is in no log: the error's words may quote it.
        pause = pause_after(user.mail_attempts)
        claim.update(mail_due_at=pause and database_now() + pause)
        tell = log.warning if pause else log.error
        tell("invitation.failed", user_id=str(user.pk), attempts=user.mail_attempts, error=type(error).__name__, given_up=not pause)
        return False
    claim.update(mail_due_at=None)
    log.info("invitation.sent", user_id=str(user.pk))
    return True


def _message(user: User, server: BaseEmailBackend) -> EmailMessage:
    link = f"{settings.LEDGER_PUBLIC_URL}/app/activate/{activation_token(user)}/"
    text = (
        f"Hello {user.name or user.email},\n\nyou are invited to the ledger at {settings.LEDGER_PUBLIC_URL}.\n"
        f"Choose a password within {LIFETIME.days} days:\n\n{link}\n\n"
        "If you do not know why you get this mail, do nothing: without a password nobody can sign in.\n"
    )
    return EmailMessage("Your invitation to the ledger", text, to=[user.email], connection=server)
