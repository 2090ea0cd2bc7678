"""What a receipt says to people, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from events.domain.receipts import Party, Side, receipt_number
from ledger_project.http.members import timestamp
from ledger_project.kernel.money import format_minor
from transfers.domain.kinds import TransferKind
from transfers.selectors.transfers import StoredTransfer

KIND_WORDS = {
    TransferKind.TRANSFER: "Transfer",
    TransferKind.DEPOSIT: "Deposit",
    TransferKind.WITHDRAWAL: "Withdrawal",
    TransferKind.OPENING: "Opening balance",
    TransferKind.CAPTURE: "Payment out of a reserved amount",
    TransferKind.REVERSAL: "Reversal",
    TransferKind.FEE_SETTLEMENT: "Settlement of collected fees",
}
"""Each kind of movement that has receipts, in words."""


class Line(NamedTuple):
    """A label and what it is about; the important ones are bold."""

    label: str
    text: str
    is_bold: bool = False


def receipt_lines(transfer: StoredTransfer, party: Party) -> list[Line]:
    """Return the lines of a party's receipt. Lines that would be empty are left out."""
    return [line for line in _lines(transfer, party) if line.text]


def _lines(transfer: StoredTransfer, party: Party) -> Iterator[Line]:
    def money(amount_minor: int) -> str:
        return f"{format_minor(amount_minor, transfer.currency.exponent)} {transfer.currency.code}"

    yield Line("Number", receipt_number(transfer.id, party.side))
    yield Line("Issued", f"{timestamp(transfer.created_at)[:19].replace('T', ' ')} UTC")
    yield Line("For", party.merchant_name, is_bold=True)
    yield Line("What", KIND_WORDS[TransferKind(transfer.kind)])
    yield Line("From", transfer.from_merchant or "")
    yield Line("To", transfer.to_merchant or "")
    yield Line("Paid" if party.side is Side.SOURCE else "Received", money(transfer.amount_minor), is_bold=True)
    yield Line("Fee", money(transfer.fee_minor))
    yield Line("Debited in all", money(transfer.total_debit_minor))
    yield Line("Memo", transfer.memo or "")
    yield Line("Reference", transfer.external_reference or "")
    yield Line("Reverses", "" if transfer.reverses is None else str(transfer.reverses))
    yield Line("Transfer", str(transfer.id))
    yield Line("Account", str(party.account_id))
    yield Line("Entry", f"{party.sequence}, hash {party.entry_hash.hex()}")
