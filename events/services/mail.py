"""Mails of receipts: found by a reader of the journal, sent one by one.

``take_receipts`` writes a row for each receipt to be mailed, in the transaction that moves its
cursor: none is missed, none is written twice. ``send_due_mails`` claims a row, commits, sends, and
then notes that it was sent together with the event ``receipt.sent``.

What a crash may cost: a process that is killed after the mail server has taken a mail and before
that is noted leaves the mail to be sent again, ``LEASE`` later, with the same ``Message-ID``.
Mail programs show such a mail once. The event is written once in every case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from smtplib import SMTPException
from typing import NamedTuple
from uuid import UUID

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection, transaction
from django.utils.module_loading import import_string

from events.domain.receipts import WITHOUT_RECEIPT, Party, receipt_number
from events.models import Consumer, ReceiptMail
from events.models.mail import MailStatus
from events.selectors.receipts import get_receipts_now
from ledger_project.database.clock import database_now
from ledger_project.kernel.happenings import EventType, Happening, tell
from ledger_project.observability import metrics
from ledger_project.process.mail_queue import LEASE, pause_after, send_claimed
from merchants.models import Account, Merchant
from transfers.posting.jobs import Answer, Key
from transfers.posting.synchronous import answer_once
from transfers.selectors.transfers import StoredTransfer
from transfers.sql.mark import newest_mark

log = structlog.get_logger(__name__)

CONSUMER = "receipts"
MOST_TRANSFERS = 1000
"""Transfers that one transaction looks at."""


class MailText(NamedTuple):
    """What a mail says: its subject, its text, and the PDF."""

    subject: str
    text: str
    pdf: bytes


_BOUND = f"ledger_first_id(({newest_mark('settled_until')}) + interval '1 microsecond')"
"""The first id that may still appear: what is below it is settled."""

_BEGIN = f"""
INSERT INTO events_consumer (name, cursor, moved_at) SELECT %(name)s, {_BOUND}, clock_timestamp() ON CONFLICT DO NOTHING
"""
"""Mails begin with what comes after the first turn: nobody gets mail about years ago."""

_LAST = f"""
SELECT id FROM (SELECT id FROM transfers_transfer WHERE id > %(cursor)s AND id < {_BOUND} ORDER BY id LIMIT %(limit)s) seen
ORDER BY id DESC LIMIT 1
"""

_TAKE = """
INSERT INTO events_receiptmail (number, transfer_id, account_id, created_at, is_asked_for, status, attempts, next_attempt_at, last_error)
SELECT t.id::text || '-' || s.side, t.id, a.id, clock_timestamp(), false, 'pending', 0, clock_timestamp(), ''
FROM transfers_transfer t
CROSS JOIN LATERAL (VALUES (1, t.source_id), (2, t.target_id)) AS s(side, account_id)
JOIN merchants_account a ON a.id = s.account_id AND a.kind = 'wallet'
JOIN merchants_merchant m ON m.id = a.merchant_id AND m.receipt_email IS NOT NULL
WHERE t.id > %(cursor)s AND t.id <= %(last)s AND t.kind <> ALL(%(without)s)
ON CONFLICT DO NOTHING
"""

_CLAIM = """
UPDATE events_receiptmail SET attempts = attempts + 1, next_attempt_at = clock_timestamp() + make_interval(secs => %(lease_s)s)
WHERE number = (
    SELECT number FROM events_receiptmail WHERE status = 'pending' AND next_attempt_at <= clock_timestamp()
    ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING number, transfer_id, account_id, attempts, created_at, is_asked_for
"""

# ``sent_at`` stays: it says when the receipt was sent before.
_ASK = """
INSERT INTO events_receiptmail
    (number, transfer_id, account_id, created_at, is_asked_for, status, attempts, next_attempt_at, last_error)
VALUES (%(number)s, %(transfer)s, %(account)s, clock_timestamp(), true, 'pending', 0, clock_timestamp(), '')
ON CONFLICT (number) DO UPDATE SET created_at = excluded.created_at, is_asked_for = true, status = excluded.status, attempts = 0,
    next_attempt_at = excluded.next_attempt_at, last_error = ''
"""


def take_receipts() -> bool:
    """Write a row for each receipt that is to be mailed of the next settled transfers.

    Returns whether there may be more. Another process that does this at the same moment is left
    alone.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_BEGIN, {"name": CONSUMER})
        consumer = Consumer.objects.select_for_update(skip_locked=True).filter(name=CONSUMER).first()
        if consumer is None:
            return False
        values = {"cursor": consumer.cursor, "limit": MOST_TRANSFERS, "without": list(WITHOUT_RECEIPT)}
        cursor.execute(_LAST, values)
        row = cursor.fetchone()
        if row is None:
            return False
        cursor.execute(_TAKE, {**values, "last": row[0]})
        consumer.cursor, consumer.moved_at = row[0], database_now()
        consumer.save(update_fields=["cursor", "moved_at"])
        return True


@dataclass(frozen=True, slots=True)
class _Claim:
    """A mail that this process may send until its lease ends."""

    number: str
    transfer_id: UUID
    account_id: UUID
    attempts: int
    created_at: datetime
    is_asked_for: bool

    @property
    def row(self) -> dict[str, object]:
        """What finds the row while the claim holds: nobody has claimed it since."""
        return {"number": self.number, "created_at": self.created_at, "attempts": self.attempts, "status": MailStatus.PENDING.value}

    @property
    def message_id(self) -> str:
        """The id of the mail, the same at each attempt.

        Mail programs show an id once. So a mail that somebody asks for once more has another one.
        """
        return f"{self.number}.{int(self.created_at.timestamp())}" if self.is_asked_for else self.number


def _claim() -> _Claim | None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"lease_s": LEASE.total_seconds()})
        row = cursor.fetchone()
    return None if row is None else _Claim(*row)


def send_due_mails(stopping: Callable[[], bool]) -> int:
    """Send the mails that are due, and return how many were. Synchronous.

    ``stopping`` is asked before each: the process is to end.
    """
    return send_claimed(_claim, _send, stopping)


def _send(claim: _Claim, server: BaseEmailBackend) -> bool:
    """Send a mail and note it; return whether it was sent."""
    found = get_receipts_now(claim.transfer_id)
    party = None if found is None else next((one for one in found.parties if one.account_id == claim.account_id), None)
    merchant = None if party is None else Merchant.objects.filter(id=party.merchant_id).first()
    if found is None or party is None or merchant is None or merchant.receipt_email is None:
        _write(claim, MailStatus.UNWANTED, "the merchant wants no mail any more")
        return False
    try:
        server.open()
        _message(claim, found.transfer, party, merchant.receipt_email, server).send()
    except (SMTPException, OSError) as error:
        _try_later(claim, error)
        server.close()
        return False
    _note_sent(claim, party)
    return True


def _message(claim: _Claim, transfer: StoredTransfer, party: Party, address: str, server: BaseEmailBackend) -> EmailMessage:
    write: Callable[[StoredTransfer, Party], MailText] = import_string(settings.LEDGER_RECEIPT_MAIL)
    subject, text, pdf = write(transfer, party)
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip("<> ") or "localhost"
    message = EmailMessage(subject, text, to=[address], connection=server, headers={"Message-ID": f"<{claim.message_id}@{domain}>"})
    message.attach(f"receipt-{claim.number}.pdf", pdf, "application/pdf")
    return message


def _try_later(claim: _Claim, error: Exception) -> None:
    """Note a failure. The address is in no log: the error's words may quote it."""
    pause = pause_after(claim.attempts)
    status, when = (MailStatus.PENDING, database_now() + pause) if pause else (MailStatus.FAILED, None)
    _write(claim, status, type(error).__name__, when)
    tell_log = log.warning if pause else log.error
    tell_log("mail.failed", receipt=claim.number, attempts=claim.attempts, error=type(error).__name__, given_up=not pause)


def _write(claim: _Claim, status: MailStatus, error: str, next_attempt_at: datetime | None = None) -> None:
    """Keep what became of an attempt, unless somebody else has claimed the mail since."""
    metrics.MAIL_ATTEMPTS.labels(status.value).inc()
    ReceiptMail.objects.filter(**claim.row).update(status=status.value, next_attempt_at=next_attempt_at, last_error=error)


def _note_sent(claim: _Claim, party: Party) -> None:
    """Note that a mail was sent, and write the event, both or neither, and each once."""
    metrics.MAIL_ATTEMPTS.labels(MailStatus.SENT.value).inc()
    with transaction.atomic():
        # The locks of what the event is about, in the order of a freeze.
        Merchant.objects.select_for_update(no_key=True).get(id=party.merchant_id)
        Account.objects.select_for_update(no_key=True).get(id=party.account_id)
        unsent = ReceiptMail.objects.filter(number=claim.number, created_at=claim.created_at).exclude(status=MailStatus.SENT.value)
        if unsent.update(status=MailStatus.SENT.value, sent_at=database_now(), next_attempt_at=None, last_error=""):
            facts = {"number": claim.number, "transfer_id": str(claim.transfer_id), "account_id": str(claim.account_id)}
            tell(Happening(EventType.RECEIPT_SENT, party.merchant_id, party.account_id, {"receipt": facts}))


def mail_receipt(transfer_id: UUID, party: Party, *, key: Key) -> bool:
    """Have a receipt mailed once more, or for the first time, and tried for three days.

    Returns whether the key was used before: then nothing happens now. Synchronous, inside a
    transaction.
    """

    def ask() -> Answer:
        number = receipt_number(transfer_id, party.side)
        with connection.cursor() as cursor:
            cursor.execute(_ASK, {"number": number, "transfer": transfer_id, "account": party.account_id})
        return Answer(200, number.encode())

    return answer_once(key, ask).replayed
