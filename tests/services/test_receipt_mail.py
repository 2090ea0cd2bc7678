"""Mails of receipts: one for each movement and party that wants mail, also over crashes and failures."""

from __future__ import annotations

import email
import email.policy
import io
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from django.core.mail.backends.filebased import EmailBackend
from django.db import transaction
from django.utils import timezone
from pypdf import PdfReader

from events.domain.receipts import WITHOUT_RECEIPT
from events.models import Consumer, ReceiptMail
from events.selectors.receipts import get_receipts_now
from events.services import mail
from ledger_project.database.connections import use_own_connection
from ledger_project.process.mail_queue import MOST_ATTEMPTS
from merchants.models import Merchant
from tests.concurrency.test_feed_mark import settle
from tests.operations.stories import Story, tell
from tests.support.factories import unique
from tests.support.servers import free_port
from transfers.models import Event, Transfer
from transfers.posting.jobs import Key

ADDRESS = "receipts@shop.example"


class KilledAfterSending(EmailBackend):
    """A mail server that has just taken the mail when this process dies."""

    def send_messages(self, email_messages: Any) -> int:
        super().send_messages(email_messages)
        raise SystemExit("killed")


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    """Mail is kept in files here."""
    settings.EMAIL_BACKEND, settings.EMAIL_FILE_PATH = "django.core.mail.backends.filebased.EmailBackend", str(tmp_path)
    settings.DEFAULT_FROM_EMAIL = "Ledger <ledger@bank.example>"
    take_all()
    return tmp_path


def take_all() -> None:
    settle()
    while mail.take_receipts():
        pass


def send_all() -> int:
    return mail.send_due_mails(lambda: False)


def told(*names: str) -> Story:
    """Return a story of two merchants, of which these want mail, with rows for all of it."""
    story = tell()
    for name in names:
        Merchant.objects.filter(id=getattr(story, name).id).update(receipt_email=f"{name}@shop.example")
    take_all()
    return story


def rows(story: Story) -> Any:
    accounts = [story.account(story.payer), story.account(story.payee)]
    return ReceiptMail.objects.filter(account_id__in=accounts)


def sent(folder: Path) -> list[EmailMessage]:
    """Return the mails that were sent, in any order."""
    pieces = [piece for path in folder.iterdir() for piece in path.read_bytes().split(b"\n" + b"-" * 79 + b"\n") if piece.strip()]
    return [email.message_from_bytes(piece, policy=email.policy.default) for piece in pieces]


def events(story: Story) -> list[dict[str, str]]:
    found = Event.objects.filter(type="receipt.sent", merchant_id__in=[story.payer.id, story.payee.id]).order_by("id")
    return [event.data["receipt"] for event in found]


def again_now(story: Story) -> None:
    """Let the time pass until the mails may be tried again."""
    rows(story).filter(next_attempt_at__isnull=False).update(next_attempt_at=timezone.now() - timedelta(seconds=1))


def only_the_transfer(story: Story) -> None:
    """Leave one mail to be sent."""
    rows(story).exclude(transfer_id=story.transfer).update(status="unwanted", next_attempt_at=None)


def movements(story: Story, account: Any) -> list[Transfer]:
    both = Transfer.objects.filter(source_id=account) | Transfer.objects.filter(target_id=account)
    return list(both.exclude(kind__in=WITHOUT_RECEIPT))


def test_each_movement_of_who_wants_mail_gets_one(folder: Path) -> None:
    story = told("payer")
    account = story.account(story.payer)
    expected = {one.id for one in movements(story, account)}
    assert len(expected) == 7  # opening, deposit, three transfers, a reversal, a capture
    assert {row.transfer_id for row in rows(story)} == expected
    assert {row.account_id for row in rows(story)} == {account}
    assert send_all() == len(expected)
    assert {message["To"] for message in sent(folder)} == {"payer@shop.example"}
    assert not rows(story).filter(sent_at=None).exists()
    take_all()
    assert send_all() == 0
    assert len(sent(folder)) == len(expected)


def test_a_mail_is_the_receipt_with_its_pdf(folder: Path) -> None:
    story = told("payer", "payee")
    send_all()
    by_id = {message["Message-ID"]: message for message in sent(folder)}
    assert len(by_id) == rows(story).count()
    found = get_receipts_now(story.transfer)
    assert found is not None
    for party, address in zip(found.parties, ("payer", "payee"), strict=True):
        number = f"{story.transfer}-{party.side.value}"
        message = by_id[f"<{number}@bank.example>"]
        assert (message["To"], message["From"]) == (f"{address}@shop.example", "Ledger <ledger@bank.example>")
        assert number in message["Subject"]
        body = message.get_body()
        assert body is not None
        assert "Memo: story" in body.get_content()
        (attached,) = message.iter_attachments()
        content = attached.get_content()
        assert attached.get_content_type() == "application/pdf"
        assert (PdfReader(io.BytesIO(content)).metadata or {})["/Keywords"].startswith("eyJ")
        assert {"number": number, "transfer_id": str(story.transfer), "account_id": str(party.account_id)} in events(story)


def test_a_process_that_dies_after_sending_costs_a_second_mail_with_the_same_id_and_no_second_event(folder: Path, settings: Any) -> None:
    story = told("payee")
    only_the_transfer(story)
    settings.EMAIL_BACKEND = f"{__name__}.KilledAfterSending"
    with pytest.raises(SystemExit):
        send_all()
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    assert send_all() == 0  # the claim still holds
    assert events(story) == []
    again_now(story)
    assert send_all() == 1
    assert Counter(message["Message-ID"] for message in sent(folder)) == {f"<{story.transfer}-2@bank.example>": 2}
    assert len(events(story)) == 1


def test_a_mail_server_that_is_away_is_asked_again_later(folder: Path, settings: Any) -> None:
    story = told("payee")
    only_the_transfer(story)
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = (
        "django.core.mail.backends.smtp.EmailBackend",
        "127.0.0.1",
        free_port(),
    )
    pauses = []
    for attempt in range(1, 4):
        before = timezone.now()
        assert send_all() == 0
        row = rows(story).get(transfer_id=story.transfer)
        assert (row.attempts, row.sent_at, row.last_error) == (attempt, None, "ConnectionRefusedError")
        pauses.append(round((row.next_attempt_at - before).total_seconds(), -1))
        assert send_all() == 0  # not before its time
        again_now(story)
    assert pauses == [30, 60, 120]
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    assert send_all() == 1
    assert len(sent(folder)) == len(events(story)) == 1


def test_a_mail_is_given_up_in_the_end(folder: Path, settings: Any) -> None:
    story = told("payee")
    only_the_transfer(story)
    rows(story).update(attempts=MOST_ATTEMPTS - 1)
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = (
        "django.core.mail.backends.smtp.EmailBackend",
        "127.0.0.1",
        free_port(),
    )
    assert send_all() == 0
    row = rows(story).get(transfer_id=story.transfer)
    assert (row.status, row.attempts, row.next_attempt_at, row.sent_at) == ("failed", MOST_ATTEMPTS, None, None)
    assert events(story) == []
    assert list(folder.iterdir()) == []


def test_who_takes_the_address_away_gets_no_mail_any_more(folder: Path) -> None:
    story = told("payee")
    Merchant.objects.filter(id=story.payee.id).update(receipt_email=None)
    assert send_all() == 0
    assert sent(folder) == []
    assert events(story) == []
    assert set(rows(story).values_list("status", flat=True)) == {"unwanted"}


# --- once more --------------------------------------------------------------------------------------------------------------------


def mail_once_more(story: Story, key: str) -> bool:
    """Have the payee's receipt of the transfer mailed once more, as an operator does."""
    found = get_receipts_now(story.transfer)
    assert found is not None
    with transaction.atomic():
        return mail.mail_receipt(story.transfer, found.parties[1], key=Key("platform", key, bytes(32)))


def test_a_receipt_that_is_asked_for_once_more_has_another_id_and_another_event(folder: Path) -> None:
    story = told("payee")
    only_the_transfer(story)
    assert send_all() == 1
    key = unique("again")
    assert (mail_once_more(story, key), mail_once_more(story, key)) == (False, True)  # a form that is sent twice
    assert send_all() == 1
    assert send_all() == 0
    first, second = sorted(str(message["Message-ID"]) for message in sent(folder))
    assert second == f"<{story.transfer}-2@bank.example>"
    assert first.startswith(f"<{story.transfer}-2.")
    assert [event["number"] for event in events(story)] == [f"{story.transfer}-2"] * 2
    row = rows(story).get(transfer_id=story.transfer)
    assert (row.status, row.is_asked_for, row.attempts) == ("sent", True, 1)


def test_a_receipt_of_before_the_address_can_be_asked_for(folder: Path) -> None:
    story = told()
    Merchant.objects.filter(id=story.payee.id).update(receipt_email="late@shop.example")
    mail_once_more(story, unique("late"))
    assert send_all() == 1
    assert [message["To"] for message in sent(folder)] == ["late@shop.example"]


def test_a_mail_that_was_asked_for_while_an_attempt_ran_is_sent_by_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    story = told("payee")
    only_the_transfer(story)
    note, asked = mail._note_sent, []

    def ask_before_it_is_noted(*arguments: Any) -> None:
        if not asked:
            asked.append(mail_once_more(story, unique("meanwhile")))
        note(*arguments)

    monkeypatch.setattr(mail, "_note_sent", ask_before_it_is_noted)
    assert send_all() == 2
    assert len({message["Message-ID"] for message in sent(folder)}) == len(sent(folder)) == 2
    assert len(events(story)) == 1  # the first attempt's claim was over
    assert rows(story).get(transfer_id=story.transfer).status == "sent"


# --- several processes ------------------------------------------------------------------------------------------------------------


def test_several_processes_share_the_work(folder: Path) -> None:
    story = told("payer", "payee")
    with ThreadPoolExecutor(4, initializer=use_own_connection) as threads:
        counts = [work.result() for work in [threads.submit(send_all) for _ in range(4)]]
    assert sum(counts) == rows(story).count() == len(events(story))
    assert set(Counter(message["Message-ID"] for message in sent(folder)).values()) == {1}


def test_while_one_process_looks_for_receipts_another_leaves_it_alone(folder: Path) -> None:
    story = tell()
    Merchant.objects.filter(id=story.payer.id).update(receipt_email=ADDRESS)
    settle()
    with ThreadPoolExecutor(1, initializer=use_own_connection) as other, transaction.atomic():
        Consumer.objects.select_for_update().get(name=mail.CONSUMER)
        assert other.submit(mail.take_receipts).result() is False
        assert not rows(story).exists()
    take_all()
    assert rows(story).count() == 7


def test_what_fails_between_the_rows_and_the_cursor_leaves_neither(folder: Path) -> None:
    story = tell()
    Merchant.objects.filter(id=story.payer.id).update(receipt_email=ADDRESS)
    settle()
    before = Consumer.objects.get(name=mail.CONSUMER).cursor
    with pytest.raises(RuntimeError), transaction.atomic():
        mail.take_receipts()
        raise RuntimeError(unique())
    assert (Consumer.objects.get(name=mail.CONSUMER).cursor, rows(story).exists()) == (before, False)
    take_all()
    assert rows(story).count() == 7


def test_nobody_gets_mail_about_what_was_before_the_first_turn(folder: Path) -> None:
    story = tell()
    Merchant.objects.filter(id=story.payer.id).update(receipt_email=ADDRESS)
    settle()
    Consumer.objects.filter(name=mail.CONSUMER).delete()
    take_all()
    assert not rows(story).exists()
