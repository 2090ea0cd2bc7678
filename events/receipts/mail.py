"""The mail that brings a receipt: a few lines, and the PDF."""

from __future__ import annotations

from typing import cast

from events.domain.receipts import Party
from events.receipts.lines import receipt_lines
from events.receipts.pdf import receipt_pdf
from events.serializers.receipts import receipt_json
from events.services.mail import MailText
from ledger_project.documents.characters import is_seen, number_of
from transfers.selectors.transfers import StoredTransfer


def receipt_mail(transfer: StoredTransfer, party: Party) -> MailText:
    """Return the mail of a party's receipt."""
    document = receipt_json(transfer, party)
    text = "\n".join(f"{line.label}: {_plain(line.text)}" for line in receipt_lines(transfer, party))
    pdf = receipt_pdf(transfer, party, cast("str | None", document["signature"]))
    return MailText(f"Receipt {document['number']}", f"{text}\n\nThe receipt is attached as PDF.\n", pdf)


def _plain(text: str) -> str:
    """Return a text on one line, in which every character can be seen."""
    return "".join(character if is_seen(character) else number_of(character) for character in " ".join(text.split()))
