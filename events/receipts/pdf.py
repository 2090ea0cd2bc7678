"""A receipt as PDF. Its signature is among the file's keywords, so the file can be checked."""

from __future__ import annotations

from events.domain.receipts import Party
from events.receipts.lines import receipt_lines
from ledger_project.documents.pdf import Pages
from transfers.selectors.transfers import StoredTransfer

_SIGNED = (
    "This receipt is signed; the signature is in this file, among its keywords. Whoever has the keys of this service, "
    "/.well-known/jwks.json, can check it."
)
_UNSIGNED = "This receipt is not signed: the service has no key for it."


def receipt_pdf(transfer: StoredTransfer, party: Party, signature: str | None) -> bytes:
    """Return the PDF of a party's receipt."""
    lines = receipt_lines(transfer, party)
    pages = Pages(title=f"Receipt {lines[0].text}", author=party.merchant_name, keywords=signature or "")
    pages.title("Receipt")
    for line in lines:
        pages.pair(line.label, line.text, is_bold=line.is_bold)
    pages.skip(12)
    pages.paragraph(_UNSIGNED if signature is None else _SIGNED)
    return pages.finished()
