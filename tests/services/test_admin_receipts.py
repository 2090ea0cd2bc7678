"""Receipts in the admin: what was mailed, and a receipt mailed once more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from events.models import ReceiptMail
from merchants.models import Account, Merchant
from tests.services.test_admin import change_page, new_transfer
from tests.services.test_admin_operations import user_with
from tests.services.test_admin_webhooks import do
from tests.support.factories import unique
from transfers.models import Transfer


@pytest.fixture
def operator() -> Client:
    return user_with("operator")


@pytest.fixture(autouse=True)
def nothing_is_sent_later(ledger: None) -> Iterator[None]:
    """Leave no mail behind that waits."""
    del ledger
    yield
    ReceiptMail.objects.filter(status="pending").delete()


def paid(*, has_address: bool = True) -> tuple[Transfer, Account]:
    """Return a transfer, and the wallet that received, with an address or without."""
    _, target, made = new_transfer()
    if has_address:
        Merchant.objects.filter(id=target.id).update(receipt_email="payee@shop.example")
    return Transfer.objects.get(id=made), Account.objects.get(merchant_id=target.id, kind="wallet")


def new_mail(transfer: Transfer, account: Account, status: str = "sent", **values: Any) -> ReceiptMail:
    return ReceiptMail.objects.create(
        number=f"{transfer.id}-2", transfer_id=transfer.id, account_id=account.id, created_at=timezone.now(), status=status, **values
    )


def test_the_page_of_a_transfer_says_what_was_mailed_and_mails_a_receipt(operator: Client) -> None:
    transfer, account = paid()
    assert "Mail a receipt" in operator.get(change_page(transfer)).content.decode()
    assert "Receipt is mailed to" in do(operator, transfer, "mail", party=str(account.id))
    mail = ReceiptMail.objects.get(transfer_id=transfer.id)
    assert (mail.number, mail.status, mail.is_asked_for) == (f"{transfer.id}-2", "pending", True)
    assert reverse("admin:events_receiptmail_change", args=[mail.number]) in operator.get(change_page(transfer)).content.decode()
    assert "because" in LogEntry.objects.get(object_id=str(transfer.id)).change_message


def test_a_receipt_is_mailed_to_parties_with_an_address_only(operator: Client) -> None:
    transfer, account = paid(has_address=False)
    assert "Mail a receipt" not in operator.get(change_page(transfer)).content.decode()
    assert operator.get(change_page(transfer, "mail")).status_code == 404
    Merchant.objects.filter(id=account.merchant_id).update(receipt_email="payee@shop.example")
    payer = transfer.source_id
    form = {"token": unique("form"), "reason": "because", "party": str(payer)}
    assert "is not one of the available choices" in operator.post(change_page(transfer, "mail"), form).content.decode()
    assert not ReceiptMail.objects.filter(transfer_id=transfer.id).exists()


def test_a_mail_is_sent_once_more_once_for_each_form(operator: Client) -> None:
    mail = new_mail(*paid(), sent_at=timezone.now(), attempts=1)
    form = {"token": unique("form"), "reason": "lost"}
    first, second = (operator.post(change_page(mail, "send"), form, follow=True).content.decode() for _ in range(2))
    assert "Receipt is mailed to" in first
    assert "this form was sent before" in second
    asked_for = ReceiptMail.objects.get(number=mail.number)
    assert (asked_for.status, asked_for.attempts, asked_for.is_asked_for) == ("pending", 0, True)
    assert asked_for.created_at > mail.created_at
    assert asked_for.sent_at == mail.sent_at


def test_a_mail_without_an_address_is_offered_to_be_sent_only_if_it_was_given_up(operator: Client) -> None:
    transfer, account = paid(has_address=False)
    mail = new_mail(transfer, account, "unwanted")
    assert "Mail it once more" not in operator.get(change_page(mail)).content.decode()
    ReceiptMail.objects.filter(number=mail.number).update(status="failed")
    assert "Mail it once more" in operator.get(change_page(mail)).content.decode()


def test_mails_are_found_by_their_number_and_by_the_transfer(operator: Client) -> None:
    transfer, account = paid()
    mail = new_mail(transfer, account, "failed", last_error="ConnectionRefusedError")
    for text in (mail.number, str(transfer.id)):
        found = operator.get(reverse("admin:events_receiptmail_changelist"), {"q": text}).content.decode()
        assert mail.number in found
        assert account.merchant.name in found
    assert mail.number not in operator.get(reverse("admin:events_receiptmail_changelist"), {"q": str(UUID(int=1))}).content.decode()
    assert "ConnectionRefusedError" in operator.get(change_page(mail)).content.decode()


def test_who_only_views_mails_nothing() -> None:
    viewer, (transfer, account) = user_with("viewer"), paid()
    mail = new_mail(transfer, account)
    assert viewer.get(change_page(mail)).status_code == 200
    form = {"token": unique("form"), "reason": "because", "party": str(account.id)}
    assert viewer.post(change_page(mail, "send"), form).status_code == 403
    assert viewer.post(change_page(transfer, "mail"), form).status_code == 403
    assert ReceiptMail.objects.get(number=mail.number).status == "sent"
