"""Receipts in the admin: those of a transfer, as PDF and by mail, for whoever is asked for one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, cast
from uuid import UUID

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.module_loading import import_string
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget

from console.panels import Cell, Panel
from console.questions import Done, Question, ReasonForm, ask
from events.admin.mail import has_address, mail_party
from events.domain.receipts import Party, receipt_number
from events.models import ReceiptMail
from events.selectors.receipts import get_receipts_now
from events.serializers.receipts import receipt_json
from transfers.models import Transfer


def receipts_panel(transfer_id: UUID) -> list[Panel]:
    """Return the panel of a transfer's receipts; none for a hold and its end."""
    found = get_receipts_now(transfer_id)
    mails = {mail.number: mail for mail in ReceiptMail.objects.filter(transfer_id=transfer_id)}
    rows = [
        [
            Cell(party.merchant_name, reverse("admin:merchants_merchant_change", args=[party.merchant_id])),
            Cell(receipt_number(transfer_id, party.side), reverse("admin:transfer_receipt", args=[transfer_id, party.account_id])),
            Cell(str(party.sequence), is_number=True),
            _mail_cell(mails.get(receipt_number(transfer_id, party.side))),
            Cell(party.entry_hash.hex()),
        ]
        for party in (found.parties if found else ())
    ]
    return [Panel("Receipts", ("Party", "Number, as PDF", "Sequence", "Mail", "Hash of its entry"), rows)] if rows else []


def _mail_cell(mail: ReceiptMail | None) -> Cell:
    if mail is None:
        return Cell("—")
    sent = "" if mail.sent_at is None else f", {mail.sent_at:%Y-%m-%d %H:%M:%S}"
    return Cell(f"{mail.status}{sent}", reverse("admin:events_receiptmail_change", args=[mail.number]))


def mailable_parties(transfer_id: UUID) -> list[Party]:
    """Return the parties of a transfer to whom a receipt can be mailed now."""
    found = get_receipts_now(transfer_id)
    return [party for party in (found.parties if found else ()) if has_address(party)]


class MailForm(ReasonForm):
    """Who gets the receipt by mail."""

    party = forms.ChoiceField(widget=UnfoldAdminSelectWidget(), label="To")
    field_order = ("party", "reason")

    def __init__(self, *args: Any, parties: Sequence[Party], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = cast("forms.ChoiceField", self.fields["party"])
        chosen.choices = [(str(party.account_id), party.merchant_name) for party in parties]


def ask_to_mail(model_admin: ModelAdmin, request: HttpRequest, transfer: Transfer) -> HttpResponse:
    """Ask which party gets its receipt by mail once more, and do it. ``Http404`` if none can."""
    parties = mailable_parties(transfer.id)
    if not parties:
        raise Http404

    def perform(values: dict[str, Any]) -> Done:
        party = next(one for one in parties if str(one.account_id) == values["party"])
        return mail_party(request, transfer.id, party, values)

    question = Question(
        "Mail a receipt",
        "The receipt is mailed within a second or two, to the address that the merchant has now.",
        perform,
        partial(MailForm, parties=parties),
        did="Receipt is mailed",
    )
    return ask(model_admin, request, transfer, question, reverse("admin:transfers_transfer_change", args=[transfer.id]))


def receipt_file(transfer_id: UUID, account_id: UUID) -> HttpResponse:
    """Return the receipt of a party as PDF. Raises ``Http404`` if there is none."""
    found = get_receipts_now(transfer_id)
    for party in found.parties if found else ():
        if found is not None and party.account_id == account_id:
            document = receipt_json(found.transfer, party)
            # By its name: what writes PDF takes a third of a second to import.
            content = import_string("events.receipts.pdf.receipt_pdf")(found.transfer, party, document["signature"])
            name = f"receipt-{document['number']}.pdf"
            return HttpResponse(content, content_type="application/pdf", headers={"Content-Disposition": f'attachment; filename="{name}"'})
    raise Http404
