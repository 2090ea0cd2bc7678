"""Receipts in the admin: those of a transfer, as PDF, for whoever is asked for one."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.module_loading import import_string

from console.panels import Cell, Panel
from events.domain.receipts import receipt_number
from events.selectors.receipts import get_receipts_now
from events.serializers.receipts import receipt_json


def receipts_panel(transfer_id: UUID) -> list[Panel]:
    """Return the panel of a transfer's receipts; none for a hold and its end."""
    found = get_receipts_now(transfer_id)
    rows = [
        [
            Cell(party.merchant_name, reverse("admin:merchants_merchant_change", args=[party.merchant_id])),
            Cell(receipt_number(transfer_id, party.side), reverse("admin:transfer_receipt", args=[transfer_id, party.account_id])),
            Cell(str(party.sequence), is_number=True),
            Cell(party.entry_hash.hex()),
        ]
        for party in (found.parties if found else ())
    ]
    return [Panel("Receipts", ("Party", "Number, as PDF", "Sequence", "Hash of its entry"), rows)] if rows else []


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
