"""Mails of receipts in the admin: what was mailed, what waits, and a receipt mailed once more."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import action, display

from console.pages import ExactSearch, ReadOnlyAdmin, object_link
from console.postings import form_key
from console.questions import Done, Question, ask
from events.domain.receipts import Party
from events.models import ReceiptMail
from events.models.mail import MailStatus
from events.selectors.receipts import get_receipts_now
from events.services.mail import mail_receipt
from ledger_project.kernel.ids import id_in
from merchants.models import Merchant
from merchants.selectors import parties_now
from transfers.domain.outcome import required

_COLOURS = {"pending": "info", "sent": "success", "unwanted": "warning", "failed": "danger"}


def mail_party(request: HttpRequest, transfer_id: UUID, party: Party, values: dict[str, Any]) -> Done:
    """Have the receipt of a party mailed, once for each form."""
    is_repeat = mail_receipt(transfer_id, party, key=form_key(request, values))
    return Done(f"Receipt is mailed to {party.merchant_name}", is_repeat)


def has_address(party: Party) -> bool:
    """Whether receipts can be mailed to the merchant now."""
    return Merchant.objects.filter(id=party.merchant_id, receipt_email__isnull=False).exists()


def _party(mail: ReceiptMail) -> Party:
    parties = required(get_receipts_now(mail.transfer_id)).parties
    return next(one for one in parties if one.account_id == mail.account_id)


@admin.register(ReceiptMail)
class ReceiptMailAdmin(ExactSearch, ReadOnlyAdmin):
    """Mails of receipts: what is sent in the background, and how that goes."""

    list_display = ("number", "merchant", "state", "attempts", "next_attempt_at", "sent_at", "created_at")
    list_filter = ("status",)
    sortable_by = ()
    search_fields = ("number",)
    search_help_text = "The whole number of a receipt, or a transfer's id."
    ordering = ("-created_at",)
    fields = (
        "number", "transfer", "merchant", "state", "is_asked_for", "attempts", "last_error", "next_attempt_at", "sent_at",
        "created_at",
    )  # fmt: skip
    readonly_fields = fields
    actions_detail = ("send",)

    def search_for(self, queryset: QuerySet[Any], text: str) -> QuerySet[Any]:
        """Find by the number of the receipt, or by the transfer."""
        wanted = id_in(text)
        return queryset.filter(number=text) if wanted is None else queryset.filter(transfer_id=wanted)

    @display(description="Status", label=_COLOURS)
    def state(self, obj: ReceiptMail) -> str:
        """Return the status."""
        return obj.status

    @display(description="For")
    def merchant(self, obj: ReceiptMail) -> str:
        """Return a link to the merchant."""
        account = str(obj.account_id)
        found = parties_now([account])[account]
        return object_link("merchants_merchant", found.merchant_id, found.name)

    @display(description="Transfer")
    def transfer(self, obj: ReceiptMail) -> str:
        """Return a link to the transfer."""
        return object_link("transfers_transfer", obj.transfer_id, str(obj.transfer_id))

    def possible_actions(self, obj: ReceiptMail) -> Collection[str]:
        """Offer to mail what has an address to go to, and to try once more what was given up."""
        return {"send"} if obj.status == MailStatus.FAILED or has_address(_party(obj)) else ()

    def has_send_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whether the user may have receipts mailed."""
        del object_id
        return request.user.has_perm("events.send_receiptmail")

    @action(description="Mail it once more", url_path="send", permissions=["send"])
    def send(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Have the receipt mailed once more, to the address that the merchant has now."""
        mail: ReceiptMail = self.wanted_object(request, object_id)
        party = _party(mail)
        question = Question(
            "Mail this receipt once more",
            f"{party.merchant_name} gets receipt {mail.number} by mail within a second or two, at the address that it has now.",
            lambda values: mail_party(request, mail.transfer_id, party, values),
            did="Receipt is mailed",
        )
        return ask(self, request, mail, question, reverse("admin:events_receiptmail_change", args=[object_id]))
